import { type SessionProgress, taskChannel } from "@monster-realtime/client/protocol";
import type { Broker } from "../broker/broker.ts";
import { newId } from "../ids.ts";
import type { Logger } from "../log.ts";

/** Between two publications of one session. */
const INTERVAL_MS = 250;
const PUBLISHER = "service:hub";

/** Publishes how far sessions are: the first word at once, and of those that follow the newest, four times a second. */
export class ProgressPublisher {
  readonly #broker: Broker;
  readonly #log: Logger;
  /** What waits, by session; null: nothing, but the interval since the last one runs. */
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

  /** What waits is not published any more. */
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
      // The next one is newer, and the session's end is told by its row.
      .catch((error: unknown) => this.#log.debug({ err: error, sessionId }, "progress was not published"));
  }
}
