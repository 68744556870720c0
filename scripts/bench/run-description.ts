import { execFileSync } from "node:child_process";
import { availableParallelism, cpus, totalmem } from "node:os";

/** The time, the machine and the commit of a run's figures. */
export interface RunDescription {
  /** ISO 8601, in UTC. */
  startedAt: string;
  /** The commit, with `+` behind it if tracked files differ from it; null outside of a clone. */
  commit: string | null;
  node: string;
  cpu: string;
  cores: number;
  memoryBytes: number;
}

export function describeRun(now: Date): RunDescription {
  return {
    startedAt: now.toISOString(),
    commit: commitOf(import.meta.dirname),
    node: process.version,
    cpu: cpus()[0]?.model.trim() ?? "unknown CPU",
    cores: availableParallelism(),
    memoryBytes: totalmem(),
  };
}

export function formatRun({ startedAt, commit, node, cpu, cores, memoryBytes }: RunDescription): string {
  const memory = `${(memoryBytes / 2 ** 30).toFixed(1)} GiB`;
  return `${startedAt}  commit ${commit ?? "unknown"}  ${cpu}, ${cores} cores, ${memory}  Node ${node}`;
}

function commitOf(folder: string): string | null {
  try {
    const git = (...args: string[]) =>
      execFileSync("git", ["-C", folder, ...args], { encoding: "utf8", stdio: "pipe" }).trim();
    const changed = git("status", "--porcelain", "--untracked-files=no") !== "";
    return `${git("rev-parse", "--short=12", "HEAD")}${changed ? "+" : ""}`;
  } catch {
    // No git, or no clone: a packed release has neither.
    return null;
  }
}
