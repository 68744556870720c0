/**
 * Calls `action` at most once in `intervalMs`: at once where the last call is that long ago, else when it will be. However
 * often it is asked for meanwhile, one call follows, and it is later than the last time it was asked for.
 */
export class Spaced {
  readonly #action: () => void;
  readonly #intervalMs: number;
  #timer: ReturnType<typeof setTimeout> | null = null;
  #isAsked = false;

  constructor(action: () => void, intervalMs: number) {
    this.#action = action;
    this.#intervalMs = intervalMs;
  }

  /** Asks for a call. */
  ask(): void {
    if (this.#timer === null) this.#call();
    else this.#isAsked = true;
  }

  #call(): void {
    this.#isAsked = false;
    this.#timer = setTimeout(() => {
      this.#timer = null;
      if (this.#isAsked) this.#call();
    }, this.#intervalMs);
    this.#timer.unref();
    this.#action();
  }
}
