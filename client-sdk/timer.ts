/** setTimeout fires at once above 2^31 - 1 ms; nobody waits that long anyway. */
const MAX_TIMER_MS = 3_600_000;

/** One pending call at a time: setting it anew forgets the one before. */
export class Timer {
  #handle: ReturnType<typeof setTimeout> | undefined;

  /** Calls `action` in `delayMs` (an hour at most), unless set anew or cleared before. */
  set(delayMs: number, action: () => void): void {
    this.clear();
    this.#handle = setTimeout(
      () => {
        this.#handle = undefined;
        action();
      },
      Math.min(Math.max(delayMs, 0), MAX_TIMER_MS),
    );
  }

  /** Whether a call is still to come. */
  get pending(): boolean {
    return this.#handle !== undefined;
  }

  clear(): void {
    clearTimeout(this.#handle);
    this.#handle = undefined;
  }
}
