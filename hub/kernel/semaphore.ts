/** Runs at most `atOnce` pieces of work concurrently. The others wait in the order in which they were added. */
export class Semaphore {
  readonly #atOnce: number;
  #free: number;
  readonly #waiting: (() => void)[] = [];

  constructor(atOnce: number) {
    this.#atOnce = atOnce;
    this.#free = atOnce;
  }

  /** How many pieces of work are waiting. */
  get waiting(): number {
    return this.#waiting.length;
  }

  /** Whether no work runs or waits. */
  get idle(): boolean {
    return this.#free === this.#atOnce;
  }

  async run<Result>(work: () => Promise<Result>): Promise<Result> {
    await this.#taken();
    try {
      return await work();
    } finally {
      this.#giveBack();
    }
  }

  #taken(): Promise<void> | undefined {
    if (this.#free === 0) return new Promise((resolve) => this.#waiting.push(resolve));
    this.#free -= 1;
    return undefined;
  }

  #giveBack(): void {
    const next = this.#waiting.shift();
    if (next) next();
    else this.#free += 1;
  }
}
