/** The size of a burst: the budget of this time. */
const BURST_MS = 1_000;
/** A client that has more to send is read as soon as its pause ends. A client that sends nothing for this long makes a break. */
const BREAK_MS = 500;

/**
 * A budget of bytes per second, as a bucket that holds one second's worth and refills steadily. So connections over their
 * budget are read in turns, not all at the beginning of a second. `nowMs` is of a monotonic clock. Each call passes the
 * budget, so that a connection stores only two numbers.
 */
export class ByteBudget {
  /** Until when the budget is used up; in the past: budget is left. */
  #paidUntilMs = Number.NEGATIVE_INFINITY;
  #exhaustedSinceMs = Number.NaN;

  /** Spends `bytes`. Returns for how many milliseconds nothing should be read: 0 while budget is left. */
  spend(bytes: number, bytesPerSecond: number, nowMs: number): number {
    if (nowMs - this.#paidUntilMs > BREAK_MS) this.#exhaustedSinceMs = Number.NaN;
    this.#paidUntilMs = Math.max(this.#paidUntilMs, nowMs - BURST_MS) + (bytes / bytesPerSecond) * 1_000;
    const pauseMs = Math.max(0, this.#paidUntilMs - nowMs);
    if (pauseMs > 0 && Number.isNaN(this.#exhaustedSinceMs)) this.#exhaustedSinceMs = nowMs;
    return pauseMs;
  }

  /** How many bytes of the bucket are used, after a call of `spend` at the same time. */
  used(bytesPerSecond: number, nowMs: number): number {
    return Math.max(0, ((this.#paidUntilMs - nowMs + BURST_MS) / 1_000) * bytesPerSecond);
  }

  /** For how long the budget has been used up without a break. */
  exhaustedMs(nowMs: number): number {
    return Number.isNaN(this.#exhaustedSinceMs) ? 0 : nowMs - this.#exhaustedSinceMs;
  }
}
