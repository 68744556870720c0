import { asRealtimeError, type RealtimeError } from "../kernel/errors.ts";
import { Timer } from "../kernel/timer.ts";
import type { Connection } from "./connection.ts";
import { ask, type Wire } from "./wire.ts";

type TokenHolder = Pick<Connection, "token" | "sentToken">;

/** Added to each retry delay. */
const RETRY_MS = 1_000;
/** Time between a successful refresh and the next. The hub allows one in 2 s on average. */
const MIN_INTERVAL_MS = 2_000;
/** The same if the hub warns sooner. Well below the 10 s for which the hub keeps a connection with an expired token. */
const MAX_INTERVAL_MS = 5_000;

/**
 * Sends the hub a new token when it warns of expiry. Calls the token function, with growing delays, until it returns a
 * token that the hub does not have or the connection ends. An unchanged JWT is never sent again. An unchanged `pat_` is
 * sent once for each warning: the hub checks that it was not revoked.
 */
export class TokenRefresh {
  readonly #connection: TokenHolder;
  readonly #wire: Pick<Wire, "send" | "report" | "retryDelayMs">;
  readonly #timer = new Timer();
  /** The number of the current refresh. Results of older ones are ignored. */
  #current = 0;
  #intervalMs = MIN_INTERVAL_MS;
  /** When the next refresh may begin, by `performance.now()`. */
  #notBeforeMs = 0;

  constructor(connection: TokenHolder, wire: Pick<Wire, "send" | "report" | "retryDelayMs">) {
    this.#connection = connection;
    this.#wire = wire;
  }

  /** Called when the hub warns. */
  start(): void {
    this.stop();
    const current = this.#current;
    const waitMs = this.#notBeforeMs - performance.now();
    this.#intervalMs = waitMs > 0 ? MAX_INTERVAL_MS : MIN_INTERVAL_MS;
    this.#timer.set(waitMs, () => this.#try(current, 0));
  }

  /** Called when the connection ends: the next one sends a token in its handshake. */
  stop(): void {
    this.#timer.clear();
    this.#current++;
  }

  async #try(current: number, attempt: number): Promise<void> {
    let error: RealtimeError | null = null;
    try {
      const token = await this.#connection.token();
      if (this.#current !== current) return;
      if (token !== this.#connection.sentToken || token.startsWith("pat_")) {
        await ask(this.#wire, "auth.refresh", { token });
        this.#connection.sentToken = token;
        this.#notBeforeMs = performance.now() + this.#intervalMs;
        return;
      }
    } catch (thrown) {
      error = asRealtimeError(thrown);
      this.#wire.report(error);
      if (!error.temporary) return;
    }
    if (this.#current !== current) return;
    this.#timer.set(RETRY_MS + this.#wire.retryDelayMs(attempt, error), () => this.#try(current, attempt + 1));
  }
}
