/** How many times its rate a client may exceed within a second before it counts as abuse. */
const ABUSE_FACTOR = 10;
const ABUSE_WINDOW_MS = 1_000;
/** The longest time over which retries of rejected callers are spread. */
const LONGEST_RETRY_MS = 1_000;

/**
 * Tokens refill at `perSecond` up to `burst`, one second's worth by default. It stores times instead of tokens (the generic
 * cell rate algorithm). `now`: milliseconds of a monotonic clock.
 */
export class TokenBucket {
  readonly #perSecond: number;
  readonly #burst: number;
  /** When all taken tokens are refilled. */
  #refilledAt = 0;
  /** The retry time given to the last rejected caller. */
  #promisedAt = 0;
  /** The start of the second in which rejections are counted. */
  #refusedFrom = 0;
  #refused = 0;

  constructor(perSecond: number, burst = perSecond) {
    this.#perSecond = perSecond;
    this.#burst = burst;
  }

  /**
   * Takes one token. Returns 0, or the milliseconds after which to retry if there is none. Callers rejected together get
   * retry times one token apart, because at the same moment all but one would be rejected again.
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

  /** Whether the caller tried more than ten times its rate within a second. A client that obeys retry times tries less. */
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
