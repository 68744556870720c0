/**
 * Calls `action` at most once per `intervalMs`: immediately if the last call is that long ago, else when the interval
 * ends. Any number of requests in between cause one call, which is later than the last of them.
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

  /** Requests a call. */
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
