import { type Skip, skipsOf } from "./skips.ts";

/** How the tests of one file ended. */
export interface Verdict {
  passed: number;
  failed: number;
  skipped: readonly Skip[];
}

/**
 * Judges a file by uvu's output and its exit code. uvu's `Total` omits skipped tests, and it exits 0 after a
 * throw in `suite.before` and after a forgotten `.run()`.
 */
export function judge(output: string, exitCode: number | null): Verdict {
  const total = count(output, "Total");
  const failed = Math.max(0, total - count(output, "Passed"));
  const skipped = skipsOf(output);
  const counted = count(output, "Skipped");
  // Nothing ran and nothing was skipped, a suite was not run, or the process failed though its tests did not.
  const fileFailed = total + counted === 0 || counted !== skipped.length || (exitCode !== 0 && failed === 0);
  return { passed: count(output, "Passed"), failed: failed + (fileFailed ? 1 : 0), skipped };
}

function count(output: string, what: string): number {
  const found = output.matchAll(new RegExp(`^\\s*${what}:\\s+(\\d+)`, "gm"));
  return [...found].reduce((sum, [, number]) => sum + Number(number), 0);
}
