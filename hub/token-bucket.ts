/** How many times its rate a connection may overrun within a second before it is ended. */
const ABUSE_FACTOR = 10;

/** Tokens refill at `perSecond` up to one second's worth. `now`: milliseconds of a clock that never goes back. */
export class TokenBucket {
  readonly #perSecond: number;
  #tokens: number;
  #refilledAt = 0;
  #refused = 0;

  constructor(perSecond: number) {
    this.#perSecond = perSecond;
    this.#tokens = perSecond;
  }

  /** Takes one; false where there is none. */
  take(now: number): boolean {
    const refilled = this.#tokens + ((now - this.#refilledAt) * this.#perSecond) / 1000;
    this.#tokens = Math.min(this.#perSecond, refilled);
    this.#refilledAt = now;
    if (this.#tokens >= 1) {
      this.#tokens -= 1;
      this.#refused = Math.max(0, this.#refused - 1);
      return true;
    }
    this.#refused += 1;
    return false;
  }

  /** Far more was refused than an honest client that runs over its limit would try. */
  get abused(): boolean {
    return this.#refused > this.#perSecond * ABUSE_FACTOR;
  }

  /** When the next token is there, in milliseconds. */
  get retryAfterMs(): number {
    return Math.max(1, Math.ceil(((1 - this.#tokens) * 1000) / this.#perSecond));
  }
}
