import { spawnSync } from "node:child_process";

/** The library that fakes a program's time. */
function library(): string {
  const { stdout } = spawnSync("faketime", ["-m", "-f", "+1s", "printenv", "LD_PRELOAD"], { encoding: "utf8" });
  return stdout.trim();
}

/**
 * The environment of a program with a clock that is off by this much, for tests that need `faketime`. Its monotonic clock
 * is correct: intervals are true.
 */
export function clockEnv(seconds: number): Record<string, string> {
  const offset = `${seconds < 0 ? "" : "+"}${seconds}s`;
  return { LD_PRELOAD: library(), FAKETIME: offset, DONT_FAKE_MONOTONIC: "1" };
}
