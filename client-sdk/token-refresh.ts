import type { Connection } from "./connection.ts";
import { asRealtimeError, type RealtimeError } from "./errors.ts";
import { Timer } from "./timer.ts";
import { ask, type Wire } from "./wire.ts";

type TokenHolder = Pick<Connection, "token" | "sentToken">;

/** Added to each retry. */
const RETRY_MS = 1_000;
/** Between a refresh that succeeded and the next. The hub sustains one in 2 s. */
const MIN_INTERVAL_MS = 2_000;
/** The same while the hub warns sooner: well below the 10 s that the hub keeps a connection whose token has expired. */
const MAX_INTERVAL_MS = 5_000;

/**
 * Gives the hub a new token when it warns: calls the token function, with growing delays, until it returns another token
 * than the hub knows or the connection ends. An unchanged JWT is never sent again. An unchanged `pat_` is sent once for
 * each warning: the hub checks that it was not revoked.
 */
export class TokenRefresh {
  readonly #connection: TokenHolder;
  readonly #wire: Pick<Wire, "send" | "report" | "retryDelayMs">;
  readonly #timer = new Timer();
  /** The number of the refresh that is under way: what an older one still brings is ignored. */
  #current = 0;
  #intervalMs = MIN_INTERVAL_MS;
  /** When the next refresh may begin, by `performance.now()`. */
  #notBeforeMs = 0;

  constructor(connection: TokenHolder, wire: Pick<Wire, "send" | "report" | "retryDelayMs">) {
    this.#connection = connection;
    this.#wire = wire;
  }

  /** The hub has warned. */
  start(): void {
    this.stop();
    const current = this.#current;
    const waitMs = this.#notBeforeMs - performance.now();
    this.#intervalMs = waitMs > 0 ? MAX_INTERVAL_MS : MIN_INTERVAL_MS;
    this.#timer.set(waitMs, () => this.#try(current, 0));
  }

  /** The connection has ended: the next one brings a token. */
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
