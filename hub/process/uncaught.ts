import type { Logger } from "../kernel/log.ts";

/** The time limit for stopping after an uncaught exception: it includes the flush of the write-back. */
export const UNCAUGHT_LIMIT_MS = 10_000;

/**
 * Ends this process, with exit code 1, after an uncaught exception: its memory may be corrupt, so it serves nothing more.
 * `end` closes everything in order, within `UNCAUGHT_LIMIT_MS`.
 */
export function endOnUncaughtException(log: Logger, end: () => Promise<void>): void {
  let ending = false;
  process.on("uncaughtException", (error) => {
    log.fatal({ err: error }, ending ? "another uncaught exception" : "an uncaught exception: ending");
    if (ending) return;
    ending = true;
    // Also if an earlier stop completes first.
    process.exitCode = 1;
    setTimeout(() => process.exit(1), UNCAUGHT_LIMIT_MS);
    end()
      .catch((failure: unknown) => log.fatal({ err: failure }, "the hub could not stop cleanly"))
      .finally(() => process.exit(1));
  });
}
