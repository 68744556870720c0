const SECOND_MS = 1_000;

/**
 * A budget of bytes per second, counted in whole seconds. What a second spends beyond its budget is taken from the seconds
 * after it. `nowMs` is of a clock that never goes back. Each call states the budget, so that a connection keeps three numbers.
 */
export class ByteBudget {
  #second = 0;
  #spent = 0;
  #exhausted = 0;

  /** Spends `bytes`. Returns for how many milliseconds nothing should be read: 0 while budget is left. */
  spend(bytes: number, bytesPerSecond: number, nowMs: number): number {
    this.#advance(Math.floor(nowMs / SECOND_MS), bytesPerSecond);
    const had = this.#spent < bytesPerSecond;
    this.#spent += bytes;
    if (this.#spent < bytesPerSecond) return 0;
    if (had) this.#exhausted += 1;
    return (this.#second + Math.floor(this.#spent / bytesPerSecond)) * SECOND_MS - nowMs;
  }

  /** What the second of the last call has spent. */
  get spent(): number {
    return this.#spent;
  }

  /** How many seconds in a row, up to the last call, have used up their whole budget. */
  get exhaustedSeconds(): number {
    return this.#exhausted;
  }

  #advance(second: number, bytesPerSecond: number): void {
    while (this.#second < second) {
      if (this.#spent < bytesPerSecond) {
        this.#exhausted = 0;
        this.#spent = 0;
        this.#second = second;
        return;
      }
      this.#spent -= bytesPerSecond;
      this.#second += 1;
      if (this.#spent >= bytesPerSecond) this.#exhausted += 1;
    }
  }
}
