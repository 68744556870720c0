const TICK_MS = 100;
/** Ticks that come later than this were not merely busy. */
const GAP_MS = 500;
/** How long it takes to read what arrived meanwhile. */
const WINDOW_MS = 250;

/**
 * Notices that this process stood still (stopped, or its machine asleep). What it reads then may be requests of connections
 * that have ended since, and whose ends it has not read yet: those that are still there are glad to ask again.
 */
export class Standstill {
  readonly #timer: NodeJS.Timeout;
  #tickedAt = performance.now();
  #until = 0;

  constructor() {
    this.#timer = setInterval(() => this.#tick(), TICK_MS).unref();
  }

  /** Whether it ended a moment ago. Also before any timer could run: the first thing that is read may be such a request. */
  get recent(): boolean {
    const now = performance.now();
    return now < this.#until || now - this.#tickedAt > GAP_MS;
  }

  close(): void {
    clearInterval(this.#timer);
  }

  #tick(): void {
    const now = performance.now();
    if (now - this.#tickedAt > GAP_MS) this.#until = now + WINDOW_MS;
    this.#tickedAt = now;
  }
}
