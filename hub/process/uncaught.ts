import type { Logger } from "../log.ts";

/** How long the end may take after an exception that nothing caught: within it the write-back is flushed. */
export const UNCAUGHT_LIMIT_MS = 10_000;

/**
 * Ends this process, with exit code 1, after an exception that nothing caught: what it holds in memory may be wrong, so
 * nothing more is served. `end` closes what is open in order, and has `UNCAUGHT_LIMIT_MS` for it.
 */
export function endOnUncaughtException(log: Logger, end: () => Promise<void>): void {
  let ending = false;
  process.on("uncaughtException", (error) => {
    log.fatal(
      { err: error },
      ending ? "another exception that nothing caught" : "an exception that nothing caught: ending",
    );
    if (ending) return;
    ending = true;
    // Also where an end that was under way is the first to be done.
    process.exitCode = 1;
    setTimeout(() => process.exit(1), UNCAUGHT_LIMIT_MS);
    end()
      .catch((failure: unknown) => log.fatal({ err: failure }, "could not end in order"))
      .finally(() => process.exit(1));
  });
}
