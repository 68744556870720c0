import type { Logger } from "../kernel/log.ts";

/** Work that nobody waits for. What fails is repaired later, by a renewal of the lease or by the reconciler. */
export class BackgroundWork {
  readonly #log: Logger;
  readonly #running = new Set<Promise<unknown>>();
  #closed = false;

  constructor(log: Logger) {
    this.#log = log;
  }

  run(work: Promise<unknown>, what: string): void {
    const run: Promise<unknown> = work
      .catch((error: unknown) => {
        if (!this.#closed) this.#log.debug({ err: error, what }, "presence is repaired later");
      })
      .finally(() => this.#running.delete(run));
    this.#running.add(run);
  }

  /** Resolves when what is running has ended. */
  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all(this.#running);
  }
}
