/** Calls back for work that exceeds a fixed time limit: one queue and one timer instead of a timer each. */
export class Deadlines {
  readonly #limitMs: number;
  readonly #waiting = new Map<object, { until: number; late: () => void }>();
  readonly #timer: NodeJS.Timeout;

  constructor(limitMs: number) {
    this.#limitMs = limitMs;
    this.#timer = setInterval(() => this.#sweep(), Math.max(10, limitMs / 20)).unref();
  }

  /** Calls `late` once `limitMs` from now, unless `done` is called with the same token. */
  start(token: object, late: () => void): void {
    this.#waiting.set(token, { until: performance.now() + this.#limitMs, late });
  }

  done(token: object): void {
    this.#waiting.delete(token);
  }

  close(): void {
    clearInterval(this.#timer);
    this.#waiting.clear();
  }

  #sweep(): void {
    const now = performance.now();
    for (const [token, { until, late }] of this.#waiting) {
      if (until > now) break;
      this.#waiting.delete(token);
      late();
    }
  }
}
