import type { Command } from "commander";
import { checkedUrl, resolveAddress } from "../connection/context.ts";
import type { Check, Diagnosis, Handshake, Patient } from "../doctor/check.ts";
import { harmless } from "../format/text.ts";
import { CliFailure } from "../kernel/failure.ts";
import type { CliCommand, Invocation } from "../program/command.ts";
import type { Colors } from "../terminal/colors.ts";
import type { Output } from "../terminal/output.ts";

/** The limit of one check: a host that needs longer counts as unreachable. */
const MAX_CHECK_MS = 5_000;

/** `doctor`: finds faults between this machine and a hub. */
export const doctorCommand: CliCommand = {
  name: "doctor",
  summary: "check everything between here and a hub, with a remedy for each fault",
  description: "Exits with 1 if a check fails. Checks that depend on a failed check are skipped.",
  examples: ["doctor", "doctor https://hub.example.com", "doctor --json | jq 'select(.status == \"fail\")'"],
  define: (command: Command) =>
    void command.argument("[url]", "a hub other than the current one; --token is used for it"),
  async run(invocation) {
    const { output, signal } = invocation;
    const { url, token } = await whereTo(invocation);
    const [{ examine }, { CHECKS }] = await Promise.all([import("../doctor/check.ts"), import("../doctor/checks.ts")]);
    const { patient, close } = await patientAt(url, token, invocation);
    const report = new Report(output, CHECKS);
    output.say(`Checking ${url} …`);
    try {
      const diagnoses = await examine(CHECKS, patient, report);
      signal.throwIfAborted();
      conclude(diagnoses, output);
    } finally {
      await close();
    }
  },
};

/** Unlike other commands, it also runs without a token: later checks are then skipped. */
async function whereTo({ args: [typed], globals }: Invocation): Promise<{ url: string; token: string | null }> {
  const url = typed === undefined ? globals.url : checkedUrl(typed);
  try {
    return await resolveAddress({ ...globals, url });
  } catch (error) {
    const address = url ?? process.env.MONSTER_REALTIME_URL;
    if (!(error instanceof CliFailure) || error.code !== "no_token" || !address) throw error;
    return { url: checkedUrl(address), token: null };
  }
}

async function patientAt(url: string, token: string | null, { timeoutMs, signal }: Invocation) {
  const { shakeHands } = await import("../doctor/handshake.ts");
  const limits = { timeoutMs: Math.min(timeoutMs, MAX_CHECK_MS), signal };
  let shaken: { client: { close(): Promise<void> }; outcome: Promise<Handshake> } | null = null;
  const patient: Patient = {
    url: new URL(url),
    token,
    ...limits,
    handshake() {
      shaken ??= shakeHands(patient.url, token ?? "", limits);
      return shaken.outcome;
    },
  };
  return { patient, close: async () => shaken?.client.close() };
}

function conclude(diagnoses: readonly Diagnosis[], output: Output): void {
  const failed = diagnoses.filter(({ status }) => status === "fail").map(({ title }) => title);
  const warned = diagnoses.filter(({ status }) => status === "warn").length;
  if (failed.length > 0) throw new CliFailure(`Checks failed: ${failed.join(", ")}.`, { code: "unhealthy" });
  output.say(
    warned > 0 ? `No check failed, with ${warned} ${warned === 1 ? "warning" : "warnings"}.` : "All checks passed.",
  );
}

const MARKS: Record<Diagnosis["status"], { mark: string; color: keyof Colors }> = {
  ok: { mark: "✔", color: "green" },
  warn: { mark: "!", color: "yellow" },
  fail: { mark: "✘", color: "red" },
  skipped: { mark: "·", color: "dim" },
};

/** Prints each check as it begins and ends, one line each, with the remedy below. */
class Report {
  readonly #output: Output;
  readonly #width: number;

  constructor(output: Output, checks: readonly Check[]) {
    this.#output = output;
    this.#width = Math.max(...checks.map(({ title }) => title.length));
  }

  begins({ title }: Check): void {
    const { mode, colors } = this.#output;
    if (mode === "terminal") this.#output.write(colors.dim(`… ${title}`));
  }

  found(diagnosis: Diagnosis): void {
    const isTerminal = this.#output.mode === "terminal";
    if (isTerminal) this.#output.write("\r\x1b[K");
    this.#output.record(diagnosis, () => (isTerminal ? this.#forEyes(diagnosis) : forPipes(diagnosis)));
  }

  #forEyes({ title, status, measured, remedy }: Diagnosis): string {
    const { colors } = this.#output;
    const { mark, color } = MARKS[status];
    const paint = colors[color] as (text: string) => string;
    const shown = status === "skipped" ? colors.dim(harmless(measured)) : harmless(measured);
    const line = `${paint(mark)} ${colors.bold(title.padEnd(this.#width))}  ${shown}`;
    return remedy === null ? line : `${line}\n  ${" ".repeat(this.#width)}  ${colors.cyan(`→ ${harmless(remedy)}`)}`;
  }
}

const forPipes = ({ check, status, measured, remedy }: Diagnosis): string =>
  [status, check, measured, remedy ?? ""].map(harmless).join("\t");
