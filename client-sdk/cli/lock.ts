import { open, rm, stat } from "node:fs/promises";
import { setTimeout as pause } from "node:timers/promises";
import { CliFailure } from "./failure.ts";

const POLL_MS = 20;
/** Whoever holds it works for some milliseconds: after this long it was killed. */
const STALE_MS = 5_000;
const LIMIT_MS = 10_000;

/** Runs `body` while no other program does the same with this file. A lock that a killed program left is taken away. */
export async function withLock<Result>(file: string, body: () => Promise<Result>): Promise<Result> {
  const deadline = performance.now() + LIMIT_MS;
  while (!(await taken(file))) {
    if (performance.now() > deadline) throw new CliFailure(`Another program holds ${file}. Remove it if none does.`);
    await dropStale(file);
    await pause(POLL_MS);
  }
  try {
    return await body();
  } finally {
    await rm(file, { force: true });
  }
}

async function taken(file: string): Promise<boolean> {
  try {
    await (await open(file, "wx", 0o600)).close();
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  }
}

async function dropStale(file: string): Promise<void> {
  const held = await stat(file).catch(() => null);
  if (held && Date.now() - held.mtimeMs > STALE_MS) await rm(file, { force: true });
}
