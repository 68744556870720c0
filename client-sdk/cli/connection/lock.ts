import { open, rm, stat } from "node:fs/promises";
import { setTimeout as pause } from "node:timers/promises";
import { CliFailure } from "../kernel/failure.ts";

const POLL_MS = 20;
/** A lock is held for some milliseconds. An older one was left by a killed program. */
const STALE_MS = 5_000;
const LIMIT_MS = 10_000;

/** Runs `body` under a lock file, exclusively among programs. Removes the stale lock of a killed program. */
export async function withLock<Result>(file: string, body: () => Promise<Result>): Promise<Result> {
  const deadline = performance.now() + LIMIT_MS;
  while (!(await taken(file))) {
    if (performance.now() > deadline)
      throw new CliFailure(
        `Another program holds the lock ${file}. Try again, or delete the file if no program is running.`,
      );
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
