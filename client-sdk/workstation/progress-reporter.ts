import type { Client } from "../client/client.ts";
import { asRealtimeError, type RealtimeError } from "../kernel/errors.ts";
import { Timer } from "../kernel/timer.ts";
import type { TaskProgress } from "./task.ts";

/** The interval at which the hub publishes progress. */
const PACE_MS = 250;

export interface ProgressReporterParts {
  client: Client;
  /** The session's id. */
  id: string;
  failed(error: RealtimeError): void;
}

/** Reports a task's progress: the first report immediately, then the newest one per interval. */
export class ProgressReporter {
  readonly #parts: ProgressReporterParts;
  readonly #timer = new Timer();
  #newest: TaskProgress | null = null;

  constructor(parts: ProgressReporterParts) {
    this.#parts = parts;
  }

  report(progress: TaskProgress): void {
    this.#newest = progress;
    if (!this.#timer.pending) this.#send();
  }

  /** Stops reporting. */
  end(): void {
    this.#newest = null;
    this.#timer.clear();
  }

  #send(): void {
    const progress = this.#newest;
    this.#newest = null;
    if (!progress) return;
    this.#timer.set(PACE_MS, () => this.#send());
    const { client, id, failed } = this.#parts;
    // By the time of a reconnect the report would be outdated.
    if (client.state.name !== "connected") return;
    client.rpc("agentSessions.progress", { ...progress, id }).catch((thrown: unknown) => {
      const error = asRealtimeError(thrown);
      // A session that has ended is reported as `task:cancel`.
      if (!error.temporary && error.code !== "conflict" && error.code !== "connection_closed") failed(error);
    });
  }
}
