/** Runs `work` when woken, one run at a time. A wake-up during a run causes one more run right after it. */
export class CoalescedRun {
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

  /** Resolves when a run in progress has ended. No run follows. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#running;
  }
}
