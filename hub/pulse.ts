/** Runs `work` when woken, one run at a time; being woken meanwhile is one more run right after. */
export class Pulse {
  readonly #work: () => Promise<void>;
  readonly #onError: (error: unknown) => void;
  #running: Promise<void> | null = null;
  #again = false;
  #closed = false;

  constructor(work: () => Promise<void>, onError: (error: unknown) => void) {
    this.#work = work;
    this.#onError = onError;
  }

  wake(): void {
    if (this.#closed) return;
    this.#again = this.#running !== null;
    this.#running ??= this.#work()
      .catch(this.#onError)
      .finally(() => {
        this.#running = null;
        if (this.#again) this.wake();
      });
  }

  /** Resolves when a run under way has ended; there is none after it. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#running;
  }
}
