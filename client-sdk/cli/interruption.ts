import { EXIT_CODES, type ExitCode, Interrupted } from "./failure.ts";

/** A command that was asked to leave has this long; then it is left. */
const DEFAULT_LEAVE_MS = 3_000;

/** Ctrl-C and SIGTERM: the first asks the command to leave, the second leaves at once. */
export class Interruption {
  readonly #controller = new AbortController();
  #leaveMs = DEFAULT_LEAVE_MS;
  readonly #onInterrupt = () => this.#leave(EXIT_CODES.interrupted);
  readonly #onTerminate = () => this.#leave(EXIT_CODES.terminated);

  constructor() {
    process.on("SIGINT", this.#onInterrupt);
    process.on("SIGTERM", this.#onTerminate);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** The command has more to give back. */
  set leaveMs(leaveMs: number) {
    this.#leaveMs = leaveMs;
  }

  /** What to end with; null where nobody interrupted. */
  get exitCode(): ExitCode | null {
    const { reason } = this.#controller.signal;
    return reason instanceof Interrupted ? reason.exitCode : null;
  }

  #leave(exitCode: ExitCode): void {
    if (this.#controller.signal.aborted) process.exit(exitCode);
    setTimeout(() => process.exit(exitCode), this.#leaveMs).unref();
    // The terminal has shown "^C": what comes next begins a line of its own.
    if (exitCode === EXIT_CODES.interrupted && process.stderr.isTTY) process.stderr.write("\n");
    this.#controller.abort(new Interrupted(exitCode));
  }
}
