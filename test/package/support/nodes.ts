import { execFileSync } from "node:child_process";

/** The Node that runs the tests. */
export const THIS_NODE = process.execPath;

/** A Node 22: the one that `NODE22` names, or else `node22` or `node` of the PATH; null where there is none. */
export function findNode22(): string | null {
  const candidates = [process.env.NODE22, "node22", "node-22", "node"].filter((name) => name !== undefined);
  return candidates.find((program) => versionOf(program)?.startsWith("v22.")) ?? null;
}

function versionOf(program: string): string | null {
  try {
    return execFileSync(program, ["--version"], { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });
  } catch {
    return null;
  }
}
