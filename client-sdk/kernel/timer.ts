/** setTimeout fires immediately above 2^31 - 1 ms. No caller needs a longer delay than this. */
const MAX_TIMER_MS = 3_600_000;

/** Holds one pending call: setting the timer again replaces it. */
export class Timer {
  #handle: ReturnType<typeof setTimeout> | undefined;

  /** Calls `action` after `delayMs` (an hour at most), unless the timer is set again or cleared. */
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

  /** Whether a call is pending. */
  get pending(): boolean {
    return this.#handle !== undefined;
  }

  clear(): void {
    clearTimeout(this.#handle);
    this.#handle = undefined;
  }
}

/** Resolves when `ended` does, or after `limitMs`. */
export async function withLimit(ended: Promise<unknown>, limitMs: number): Promise<void> {
  const timer = new Timer();
  const limit = new Promise<void>((resolve) => timer.set(limitMs, resolve));
  await Promise.race([ended, limit]).finally(() => timer.clear());
}
