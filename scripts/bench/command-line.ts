import { parseArgs } from "node:util";

export interface BenchCommand {
  /** The case to run; null: all. */
  only: string | null;
  json: boolean;
  list: boolean;
  /** Rounds per case, instead of the case's default. */
  runs: number | null;
}

export const USAGE = "npm run bench [-- --only <case>] [--runs <rounds>] [--json] [--list]";

/** Reads the arguments. Throws an error that names the wrong argument, the reason and the usage. */
export function parseCommand(args: readonly string[], cases: readonly string[]): BenchCommand {
  const { values } = parseArgs({
    args: [...args],
    options: {
      only: { type: "string" },
      runs: { type: "string" },
      json: { type: "boolean", default: false },
      list: { type: "boolean", default: false },
    },
  });
  const { only = null, runs, json, list } = values;
  if (only !== null && !cases.includes(only)) {
    throw new Error(`--only ${only}: case not found. Choose one of ${cases.join(", ")}.`);
  }
  return { only, json, list, runs: runs === undefined ? null : parseRuns(runs) };
}

function parseRuns(text: string): number {
  const runs = Number(text);
  if (!Number.isInteger(runs) || runs < 1) throw new Error(`--runs ${text}: give a whole number of 1 or more.`);
  return runs;
}
