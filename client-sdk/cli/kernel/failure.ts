import { RealtimeError } from "../../kernel/errors.ts";
import { PROTOCOL_VERSION } from "../../protocol/messages.ts";

/** The program's exit codes; part of its interface, and shown by `--help`. */
export const EXIT_CODES = {
  done: 0,
  failed: 1,
  usage: 2,
  cannotConnect: 3,
  notAuthenticated: 4,
  forbiddenOrNotFound: 5,
  interrupted: 130,
  terminated: 143,
} as const;
export type ExitCode = (typeof EXIT_CODES)[keyof typeof EXIT_CODES];

const CODES_OF_ERRORS: ReadonlyMap<string, ExitCode> = new Map<string, ExitCode>([
  ["bad_request", EXIT_CODES.usage],
  ["unreachable", EXIT_CODES.cannotConnect],
  ["tls_failed", EXIT_CODES.cannotConnect],
  ["connect_timeout", EXIT_CODES.cannotConnect],
  ["disconnected", EXIT_CODES.cannotConnect],
  ["unsupported_protocol", EXIT_CODES.cannotConnect],
  ["unauthenticated", EXIT_CODES.notAuthenticated],
  ["token_expired", EXIT_CODES.notAuthenticated],
  ["token_unavailable", EXIT_CODES.notAuthenticated],
  ["forbidden", EXIT_CODES.forbiddenOrNotFound],
  ["suspended", EXIT_CODES.forbiddenOrNotFound],
  ["not_found", EXIT_CODES.forbiddenOrNotFound],
  ["unknown_channel", EXIT_CODES.forbiddenOrNotFound],
  ["unknown_method", EXIT_CODES.forbiddenOrNotFound],
]);

/** Advice specific to the CLI, which the hub can't give. */
const REMEDIES: ReadonlyMap<string, string> = new Map([
  ["unauthenticated", "Pass another one with --token or `context add`."],
  ["token_expired", "Pass a new one with --token or `context add`."],
  ["unsupported_protocol", `This program uses protocol ${PROTOCOL_VERSION}: update the older one.`],
]);

/** The failure of a command: a message that says what failed, why, and what to do. */
export class CliFailure extends Error {
  override readonly name = "CliFailure";
  readonly exitCode: ExitCode;
  /** For programs that read `--json`: an error code of the protocol or of the CLI. */
  readonly code: string;
  readonly traceId: string | null;

  constructor(
    message: string,
    { exitCode = EXIT_CODES.failed, code = "failed", traceId = null, cause }: Partial<CliFailureFields> = {},
  ) {
    super(message, cause === undefined ? undefined : { cause });
    this.exitCode = exitCode;
    this.code = code;
    this.traceId = traceId;
  }
}

interface CliFailureFields {
  exitCode: ExitCode;
  code: string;
  traceId: string | null;
  cause: unknown;
}

/** The failure for invalid arguments. */
export const usageFailure = (message: string): CliFailure =>
  new CliFailure(message, { exitCode: EXIT_CODES.usage, code: "usage" });

/** The reason of a signal aborted by Ctrl-C or SIGTERM. It is not reported. */
export class Interrupted extends Error {
  override readonly name = "Interrupted";
  readonly exitCode: ExitCode;

  constructor(exitCode: ExitCode) {
    super("interrupted");
    this.exitCode = exitCode;
  }
}

/** Converts a thrown value to a failure with one sentence and an exit code. */
export function failureOf(thrown: unknown): CliFailure {
  if (thrown instanceof CliFailure) return thrown;
  if (thrown instanceof RealtimeError) return failureOfHub(thrown);
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  return new CliFailure(`${message.split("\n")[0]}`, { code: "internal", cause: thrown });
}

function failureOfHub(error: RealtimeError): CliFailure {
  // A closed client rejects with ConnectionClosedError. Its cause is the useful reason.
  if (error.code === "connection_closed" && error.cause instanceof RealtimeError) return failureOfHub(error.cause);
  const { code, traceId } = error;
  const sentence = [error.message, REMEDIES.get(code) ?? ""].join(" ").trimEnd();
  const message = [sentence, ...problemsIn(error)].join("\n");
  return new CliFailure(message, {
    exitCode: CODES_OF_ERRORS.get(code) ?? EXIT_CODES.failed,
    code,
    traceId,
    cause: error,
  });
}

/** The invalid fields, each with its path, unless the message already contains them. */
function problemsIn({ message, details }: RealtimeError): string[] {
  if (!Array.isArray(details)) return [];
  const problems = details.filter(isProblem).map((problem) => `${problem.path || "(the whole)"}: ${problem.message}`);
  return problems.filter((problem) => !message.includes(problem)).map((problem) => `  ${problem}`);
}

function isProblem(value: unknown): value is { path: string; message: string } {
  const { path, message } = (value ?? {}) as { path?: unknown; message?: unknown };
  return typeof path === "string" && typeof message === "string";
}
