import { RealtimeError } from "../errors.ts";
import { PROTOCOL_VERSION } from "../protocol/messages.ts";

/** What the program ends with; part of its interface, and shown by `--help`. */
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

/** What to do here, where the hub can't know it. */
const REMEDIES: ReadonlyMap<string, string> = new Map([
  ["unauthenticated", "Give another one with --token or `context add`."],
  ["token_expired", "Give a new one with --token or `context add`."],
  ["unsupported_protocol", `This program speaks protocol ${PROTOCOL_VERSION}: update the older of the two.`],
]);

/** Why a command did not do what it was asked: a sentence that says what is wrong, and what to do. */
export class CliFailure extends Error {
  override readonly name = "CliFailure";
  readonly exitCode: ExitCode;
  /** For programs that read `--json`: one of the protocol's codes or of the CLI's own. */
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

/** The command was typed in a way that means nothing. */
export const usageFailure = (message: string): CliFailure =>
  new CliFailure(message, { exitCode: EXIT_CODES.usage, code: "usage" });

/** The reason of a signal that Ctrl-C or SIGTERM aborted: nothing to talk about. */
export class Interrupted extends Error {
  override readonly name = "Interrupted";
  readonly exitCode: ExitCode;

  constructor(exitCode: ExitCode) {
    super("interrupted");
    this.exitCode = exitCode;
  }
}

/** What was thrown, as one sentence with an exit code. */
export function failureOf(thrown: unknown): CliFailure {
  if (thrown instanceof CliFailure) return thrown;
  if (thrown instanceof RealtimeError) return failureOfHub(thrown);
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  return new CliFailure(`${message.split("\n")[0]}`, { code: "internal", cause: thrown });
}

function failureOfHub(error: RealtimeError): CliFailure {
  // A client that ended for good tells its callers so; why it did is what they want to know.
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

/** The fields that the hub did not like, each with its path, as far as its message leaves them out. */
function problemsIn({ message, details }: RealtimeError): string[] {
  if (!Array.isArray(details)) return [];
  const problems = details.filter(isProblem).map((problem) => `${problem.path || "(the whole)"}: ${problem.message}`);
  return problems.filter((problem) => !message.includes(problem)).map((problem) => `  ${problem}`);
}

function isProblem(value: unknown): value is { path: string; message: string } {
  const { path, message } = (value ?? {}) as { path?: unknown; message?: unknown };
  return typeof path === "string" && typeof message === "string";
}
