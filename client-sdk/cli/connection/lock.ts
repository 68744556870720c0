import { setTimeout as pause } from "node:timers/promises";
import { lockFile } from "../../workstation/file-lock.ts";
import { CliFailure } from "../kernel/failure.ts";

const POLL_MS = 20;
const LIMIT_MS = 10_000;

/** Runs `body` under a lock file, exclusively among programs. The lock of a killed program is taken over. */
export async function withLock<Result>(file: string, body: () => Promise<Result>): Promise<Result> {
  const release = await taken(file);
  try {
    return await body();
  } finally {
    await release();
  }
}

async function taken(file: string): Promise<() => Promise<void>> {
  for (const deadline = performance.now() + LIMIT_MS; ; await pause(POLL_MS)) {
    const lock = await lockFile(file);
    if (typeof lock === "function") return lock;
    if (performance.now() <= deadline) continue;
    throw new CliFailure(`Process ${lock.pid} holds the lock ${file}. Try again, or end that process.`);
  }
}
