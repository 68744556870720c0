import { spawnSync } from "node:child_process";

/** Where the library is that shows a program another time, or why there is none. */
function findLibrary(): { path: string } | { problem: string } {
  const found = spawnSync("faketime", ["-m", "-f", "+1s", "printenv", "LD_PRELOAD"]);
  const path = found.stdout?.toString().trim();
  return found.status === 0 && path ? { path } : { problem: "faketime is not installed" };
}

const library = findLibrary();

/** Why no program can be shown another time here, or null. */
export const clockProblem = "problem" in library ? library.problem : null;

/** The environment of a program whose clock is wrong by this much. Its monotonic clock is right: intervals are true. */
export function clockEnv(seconds: number): Record<string, string> {
  if ("problem" in library) throw new Error(library.problem);
  const offset = `${seconds < 0 ? "" : "+"}${seconds}s`;
  return { LD_PRELOAD: library.path, FAKETIME: offset, DONT_FAKE_MONOTONIC: "1" };
}
