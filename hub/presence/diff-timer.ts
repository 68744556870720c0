/** How long changes are merged under load. */
export const DEFAULT_DIFF_WINDOW_MS = 50;

/**
 * When a channel's merged diff leaves: at once when the channel was quiet (in the same turn of the event loop, after
 * what else the turn brings), else `windowMs` after the diff before.
 */
export class DiffTimer {
  readonly #windowMs: number;
  readonly #flush: () => void;
  #flushedAt = Number.NEGATIVE_INFINITY;
  #timer: NodeJS.Timeout | NodeJS.Immediate | null = null;
  #kind: "timeout" | "immediate" | null = null;

  constructor(windowMs: number, flush: () => void) {
    this.#windowMs = windowMs;
    this.#flush = flush;
  }

  schedule(): void {
    if (this.#timer) return;
    const wait = this.#flushedAt + this.#windowMs - performance.now();
    this.#kind = wait <= 0 ? "immediate" : "timeout";
    this.#timer = wait <= 0 ? setImmediate(() => this.run()) : setTimeout(() => this.run(), wait);
  }

  /** Flushes now, whatever was planned. */
  run(): void {
    this.cancel();
    this.#flushedAt = performance.now();
    this.#flush();
  }

  cancel(): void {
    if (this.#kind === "immediate") clearImmediate(this.#timer as NodeJS.Immediate);
    else if (this.#kind === "timeout") clearTimeout(this.#timer as NodeJS.Timeout);
    this.#timer = null;
    this.#kind = null;
  }
}
