/** Calls back what took longer than a time that is the same for all: a queue and one timer instead of a timer each. */
export class Deadlines {
  readonly #limitMs: number;
  readonly #waiting = new Map<object, { until: number; late: () => void }>();
  readonly #timer: NodeJS.Timeout;

  constructor(limitMs: number) {
    this.#limitMs = limitMs;
    this.#timer = setInterval(() => this.#sweep(), Math.max(10, limitMs / 20)).unref();
  }

  /** `late` is called once `limitMs` from now, but for `done` with the same token. */
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
