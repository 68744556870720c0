import type { Outcome } from "../../../client-sdk/connection/link.ts";
import { TokenRefresh } from "../../../client-sdk/connection/token-refresh.ts";
import { errorFromObject, type RealtimeError, TokenUnavailableError } from "../../../client-sdk/index.ts";
import { backoffDelayMs } from "../../../client-sdk/kernel/backoff.ts";
import { TokenBucket } from "../../../hub/kernel/token-bucket.ts";
import { warnBeforeMs } from "../../../hub/socket/token-clock.ts";
import type { VirtualTime } from "../../support/virtual-time.ts";
import { errorObject } from "./scripted-server.ts";

const END_AFTER_MS = 10_000;
const LEEWAY_MS = 5_000;
const RECONNECT_MS = 1_000;

/** A simulated token: `<prefix><number>.<expiry>`. */
export const tokenUntil = (expiresAtMs: number, number: number, prefix = "jwt_"): string =>
  `${prefix}${number}.${expiresAtMs}`;

export interface Counts {
  /** Calls of the token function, for connections and refreshes. */
  calls: number;
  /** `auth.refresh` requests, and the number refused by the rate limit. */
  refreshes: number;
  limited: number;
  /** Connections that ended with `token_expired`. */
  ends: number;
  /** Tokens that were sent twice on one connection. */
  repeated: number;
  errors: string[];
}

/**
 * Simulates a client's refreshes against a hub, with the real code of both but without sockets. The hub warns, limits, and
 * ends the connection 10 s after the expiry; then the client reconnects.
 */
export class TokenWorld {
  readonly counts: Counts = { calls: 0, refreshes: 0, limited: 0, ends: 0, repeated: 0, errors: [] };
  readonly #time: VirtualTime;
  readonly #source: () => string | Promise<string>;
  readonly #refresh: TokenRefresh;
  readonly #holder: { sentToken: string; token: () => Promise<string> };
  #bucket = new TokenBucket(0.5, 5);
  #sent = new Set<string>();
  #timers: ReturnType<typeof setTimeout>[] = [];

  constructor(time: VirtualTime, source: () => string | Promise<string>) {
    this.#time = time;
    this.#source = source;
    this.#holder = { sentToken: "", token: () => this.#token() };
    const backoff = { baseDelayMs: 100, maxDelayMs: 10_000, random: () => 0.5 };
    this.#refresh = new TokenRefresh(this.#holder, {
      send: (_name, argument, settle) => {
        const { token } = argument as { token: string };
        // The answer's transit time.
        setTimeout(() => settle(this.#answer(token) as Outcome<never>), 20);
      },
      report: (error) => this.counts.errors.push((error as RealtimeError).code),
      retryDelayMs: (attempt, error) => (error?.retryAfterMs ?? 0) + backoffDelayMs(attempt, backoff),
    });
  }

  async connect(): Promise<void> {
    this.#sent = new Set();
    this.#bucket = new TokenBucket(0.5, 5);
    try {
      const token = await this.#token();
      if (expiryOf(token) + LEEWAY_MS < this.#time.nowMs) throw new Error("it has expired");
      this.#holder.sentToken = token;
      this.#take(token);
    } catch {
      setTimeout(() => void this.connect(), RECONNECT_MS);
    }
  }

  async #token(): Promise<string> {
    this.counts.calls += 1;
    try {
      return await this.#source();
    } catch (thrown) {
      throw new TokenUnavailableError(thrown);
    }
  }

  #answer(token: string): Outcome<unknown> {
    this.counts.refreshes += 1;
    const retryAfterMs = this.#bucket.take(this.#time.nowMs);
    if (retryAfterMs > 0) {
      this.counts.limited += 1;
      return { ok: false, error: limited(retryAfterMs) };
    }
    const expiresAt = expiryOf(token);
    if (expiresAt + LEEWAY_MS < this.#time.nowMs)
      return { ok: false, error: errorFromObject(errorObject("token_expired", true)) };
    this.#take(token);
    return { ok: true, reply: { expiresInMs: Math.max(0, expiresAt - this.#time.nowMs) } };
  }

  /** Like the hub's clock. */
  #take(token: string): void {
    if (this.#sent.has(token)) this.counts.repeated += 1;
    this.#sent.add(token);
    const leftMs = Math.max(0, expiryOf(token) - this.#time.nowMs);
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers = [
      setTimeout(() => this.#refresh.start(), Math.max(0, leftMs - warnBeforeMs(leftMs))),
      setTimeout(() => this.#end(), leftMs + END_AFTER_MS),
    ];
  }

  #end(): void {
    this.counts.ends += 1;
    this.#refresh.stop();
    setTimeout(() => void this.connect(), RECONNECT_MS);
  }
}

const limited = (retryAfterMs: number): RealtimeError =>
  errorFromObject(errorObject("rate_limited", true, { retryAfterMs }));

/** A `pat_` is valid for five minutes after each check by the hub. */
function expiryOf(token: string): number {
  return token.startsWith("pat_") ? performance.now() + 300_000 : Number(token.split(".")[1]);
}
