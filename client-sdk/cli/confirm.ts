import { createInterface } from "node:readline/promises";
import { CliFailure, usageFailure } from "./failure.ts";

interface Confirmation {
  question: string;
  /** `--yes`. */
  yes: boolean;
  signal: AbortSignal;
}

/** Asks whoever sits there. Rejects with a failure where the answer is no, or nobody can be asked and `--yes` is missing. */
export async function confirm({ question, yes, signal }: Confirmation): Promise<void> {
  if (yes) return;
  if (!process.stdin.isTTY) throw usageFailure(`${question} Nobody can be asked here: say so with --yes.`);
  // Not a terminal of readline's own: there Ctrl-C would be a key and no signal.
  const lines = createInterface({ input: process.stdin, output: process.stderr, terminal: false });
  try {
    const answer = await lines.question(`${question} [y/N] `, { signal });
    if (/^y(es)?$/i.test(answer.trim())) return;
    throw new CliFailure("Nothing was done.", { code: "not_confirmed" });
  } finally {
    lines.close();
  }
}
