import { EXIT_CODES, type ExitCode, Interrupted } from "../kernel/failure.ts";

/** The time for a command to leave after the first signal. */
const DEFAULT_LEAVE_MS = 3_000;

/** Handles Ctrl-C and SIGTERM: the first signal asks the command to leave, the second exits immediately. */
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

  /** Sets a longer time, for commands with more cleanup. */
  set leaveMs(leaveMs: number) {
    this.#leaveMs = leaveMs;
  }

  /** The exit code after an interruption; null without one. */
  get exitCode(): ExitCode | null {
    const { reason } = this.#controller.signal;
    return reason instanceof Interrupted ? reason.exitCode : null;
  }

  #leave(exitCode: ExitCode): void {
    if (this.#controller.signal.aborted) process.exit(exitCode);
    setTimeout(() => process.exit(exitCode), this.#leaveMs).unref();
    // The terminal has printed "^C": start a new line.
    if (exitCode === EXIT_CODES.interrupted && process.stderr.isTTY) process.stderr.write("\n");
    this.#controller.abort(new Interrupted(exitCode));
  }
}
