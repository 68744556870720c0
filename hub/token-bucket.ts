/** How many times its rate a client may exceed within a second before it counts as abuse. */
const ABUSE_FACTOR = 10;
const ABUSE_WINDOW_MS = 1_000;
/** The furthest that retries of refused callers are spread over. */
const LONGEST_RETRY_MS = 1_000;

/**
 * Tokens refill at `perSecond` up to `burst`, one second's worth by default. It keeps times instead of tokens (the generic
 * cell rate algorithm). `now`: milliseconds of a monotonic clock.
 */
export class TokenBucket {
  readonly #perSecond: number;
  readonly #burst: number;
  /** When all tokens that were taken have been refilled. */
  #refilledAt = 0;
  /** For when the last refused caller was asked to try again. */
  #promisedAt = 0;
  /** Refusals are counted from here on, for a second. */
  #refusedFrom = 0;
  #refused = 0;

  constructor(perSecond: number, burst = perSecond) {
    this.#perSecond = perSecond;
    this.#burst = burst;
  }

  /**
   * Takes one token. Returns 0, or in how many milliseconds to try again if there is none: callers refused together are
   * sent one token apart, because at the same moment all but one would be refused again.
   */
  take(now: number): number {
    const intervalMs = 1_000 / this.#perSecond;
    const waitMs = this.#refilledAt - now - (this.#burst - 1) * intervalMs;
    if (waitMs <= 0) {
      this.#refilledAt = Math.max(this.#refilledAt, now) + intervalMs;
      return 0;
    }
    this.#countRefusal(now);
    const next = Math.max(now + waitMs, this.#promisedAt + intervalMs);
    this.#promisedAt = Math.min(next, now + Math.max(waitMs, LONGEST_RETRY_MS));
    return Math.ceil(this.#promisedAt - now);
  }

  /** Whether more than ten times the rate was tried within a second: an honest client that is over its rate tries less. */
  get abused(): boolean {
    return this.#refused > this.#perSecond * (ABUSE_FACTOR - 1);
  }

  #countRefusal(now: number): void {
    if (now - this.#refusedFrom >= ABUSE_WINDOW_MS) {
      this.#refusedFrom = now;
      this.#refused = 0;
    }
    this.#refused += 1;
  }
}
