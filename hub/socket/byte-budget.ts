/** How much may arrive at once: the budget of this time. */
const BURST_MS = 1_000;
/** A client that is within its budget for this long makes a break. */
const BREAK_MS = 500;

/**
 * A budget of bytes per second, as a bucket that holds one second's worth and refills steadily, so that connections over
 * their budget are read in turns and not all at the beginning of a second. `nowMs` is of a monotonic clock. Each call states
 * the budget, so that a connection keeps three numbers.
 */
export class ByteBudget {
  /** Until when the budget is used up; in the past: budget is left. */
  #paidUntilMs = Number.NEGATIVE_INFINITY;
  /** When the first of several pauses without a break began, and when the last of them ends. */
  #exhaustedSinceMs = 0;
  #pausedUntilMs = Number.NEGATIVE_INFINITY;

  /** Spends `bytes`. Returns for how many milliseconds nothing should be read: 0 while budget is left. */
  spend(bytes: number, bytesPerSecond: number, nowMs: number): number {
    this.#paidUntilMs = Math.max(this.#paidUntilMs, nowMs - BURST_MS) + (bytes / bytesPerSecond) * 1_000;
    if (this.#paidUntilMs <= nowMs) return 0;
    if (this.#hadBreak(nowMs)) this.#exhaustedSinceMs = nowMs;
    this.#pausedUntilMs = this.#paidUntilMs;
    return this.#paidUntilMs - nowMs;
  }

  /** For how long the budget has been used up without a break. */
  exhaustedMs(nowMs: number): number {
    return this.#hadBreak(nowMs) ? 0 : nowMs - this.#exhaustedSinceMs;
  }

  #hadBreak(nowMs: number): boolean {
    return nowMs - this.#pausedUntilMs > BREAK_MS;
  }
}
