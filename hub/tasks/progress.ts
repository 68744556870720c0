import { type SessionProgress, taskChannel } from "@monster-realtime/client/protocol";
import type { Broker } from "../broker/broker.ts";
import { newId } from "../kernel/ids.ts";
import type { Logger } from "../kernel/log.ts";

/** Minimum time between two publications of one session. */
const INTERVAL_MS = 250;
const PUBLISHER = "service:hub";

/**
 * Publishes the progress of sessions: the first report immediately, then the newest one at most every `INTERVAL_MS`.
 */
export class ProgressPublisher {
  readonly #broker: Broker;
  readonly #log: Logger;
  /** The pending report of each session; null: none, but the interval since the last publication still runs. */
  readonly #waiting = new Map<string, SessionProgress | null>();
  readonly #timers = new Set<NodeJS.Timeout>();

  constructor({ broker, log }: { broker: Broker; log: Logger }) {
    this.#broker = broker;
    this.#log = log;
  }

  publish(progress: SessionProgress): void {
    const { sessionId } = progress;
    if (this.#waiting.has(sessionId)) this.#waiting.set(sessionId, progress);
    else this.#send(progress);
  }

  /** Discards pending reports. */
  close(): void {
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
    this.#waiting.clear();
  }

  #send(progress: SessionProgress): void {
    const { sessionId, taskId } = progress;
    this.#waiting.set(sessionId, null);
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      const next = this.#waiting.get(sessionId);
      this.#waiting.delete(sessionId);
      if (next) this.#send(next);
    }, INTERVAL_MS).unref();
    this.#timers.add(timer);
    this.#broker
      .publish({
        channel: taskChannel(taskId),
        publisher: PUBLISHER,
        id: newId(),
        type: "session:progress",
        payloadJson: JSON.stringify(progress),
        from: null,
        ephemeral: true,
      })
      // Not retried: a newer report follows, and the session's row reports its end.
      .catch((error: unknown) => this.#log.debug({ err: error, sessionId }, "progress was not published"));
  }
}
