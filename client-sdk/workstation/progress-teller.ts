import type { Client } from "../client.ts";
import { asRealtimeError, type RealtimeError } from "../errors.ts";
import { Timer } from "../timer.ts";
import type { TaskProgress } from "./task.ts";

/** As often as the hub tells those who watch. */
const PACE_MS = 250;

export interface ProgressTellerParts {
  client: Client;
  /** The session's id. */
  id: string;
  failed(error: RealtimeError): void;
}

/** Tells how far a task is: the first at once, then the newest, no oftener than anybody hears of it. */
export class ProgressTeller {
  readonly #parts: ProgressTellerParts;
  readonly #timer = new Timer();
  #newest: TaskProgress | null = null;

  constructor(parts: ProgressTellerParts) {
    this.#parts = parts;
  }

  tell(progress: TaskProgress): void {
    this.#newest = progress;
    if (!this.#timer.pending) this.#send();
  }

  /** Tells nothing more. */
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
    // It would be old when the hub is back.
    if (client.state.name !== "connected") return;
    client.rpc("agentSessions.progress", { ...progress, id }).catch((thrown: unknown) => {
      const error = asRealtimeError(thrown);
      // A session that has ended is told of as `task:cancel`.
      if (!error.temporary && error.code !== "conflict" && error.code !== "connection_closed") failed(error);
    });
  }
}
