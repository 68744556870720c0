import { HubError } from "../kernel/errors.ts";
import type { Connection } from "../socket/connection.ts";

/** How long a client may stay beyond its time. */
const GOAWAY_SLACK_MS = 2_000;
/** The rate of `goaway` pushes: a node accepts about this many connections per second. */
const GOAWAY_PER_SECOND = 500;
/** Times with a successor: when the first client moves to it, and over how long the others follow. */
const SUCCESSOR = { firstMs: 500, spreadMs: 3_000 };

/** Asks a hub's clients to reconnect, spread over time. */
export class Drain {
  readonly #connections: ReadonlyMap<string, Connection>;
  readonly #drainMs: number;
  #gone: Promise<void> | null = null;
  #resolveGone: () => void = () => undefined;
  #hasSuccessor = false;

  constructor(connections: ReadonlyMap<string, Connection>, drainMs: number) {
    this.#connections = connections;
    this.#drainMs = drainMs;
  }

  /**
   * Resolves when all clients have disconnected, at the latest `drainMs` after the first call. With a successor the
   * remaining clients get a second, shorter time.
   */
  begin(successor: boolean): Promise<void> {
    if (this.#gone === null || (successor && !this.#hasSuccessor)) this.#sendAll(successor);
    this.#hasSuccessor ||= successor;
    this.#gone ??= new Promise((resolve) => {
      this.#resolveGone = resolve;
      if (this.#connections.size === 0) resolve();
      setTimeout(resolve, this.#drainMs).unref();
    });
    return this.#gone;
  }

  /** The last connection ended. */
  isEmpty(): void {
    this.#resolveGone();
  }

  sendAway(connection: Connection, reconnectInMs: number): void {
    connection.goawaySent = true;
    connection.push("goaway", { reason: "The hub is restarting.", reconnectInMs });
    setTimeout(() => connection.end(drainingError()), reconnectInMs + GOAWAY_SLACK_MS).unref();
  }

  #sendAll(successor: boolean): void {
    const connections = [...this.#connections.values()];
    const { firstMs, spreadMs: maxMs } = successor ? SUCCESSOR : { firstMs: 0, spreadMs: this.#drainMs / 2 };
    const spreadMs = Math.min(maxMs, (connections.length * 1000) / GOAWAY_PER_SECOND);
    connections.forEach((connection, index) => {
      this.sendAway(connection, Math.round(firstMs + (index * spreadMs) / connections.length));
    });
  }
}

export function drainingError(): HubError {
  return new HubError("draining", "This node is shutting down. Connect again to reach another.", {
    retryAfterMs: 1_000,
  });
}
