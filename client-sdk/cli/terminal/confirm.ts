import { createInterface } from "node:readline/promises";
import { CliFailure, usageFailure } from "../kernel/failure.ts";

interface Confirmation {
  question: string;
  /** `--yes`. */
  yes: boolean;
  signal: AbortSignal;
}

/** Asks the user for confirmation. Rejects if the answer is no, or if there is no terminal and `--yes` is missing. */
export async function confirm({ question, yes, signal }: Confirmation): Promise<void> {
  if (yes) return;
  if (!process.stdin.isTTY) throw usageFailure(`${question} No terminal to ask for confirmation. Confirm with --yes.`);
  // Without readline's terminal mode, which would turn Ctrl-C into a key instead of a signal.
  const lines = createInterface({ input: process.stdin, output: process.stderr, terminal: false });
  try {
    const answer = await lines.question(`${question} [y/N] `, { signal });
    if (/^y(es)?$/i.test(answer.trim())) return;
    throw new CliFailure("Nothing was done.", { code: "not_confirmed" });
  } finally {
    lines.close();
  }
}
