/** Keys that are counted separately; further ones are counted together. */
const MAX_KEYS = 1_000;
const OTHERS = Symbol("others");

/** Writes a log line that stands for `count` of its kind. */
type Line = (count: number) => void;

interface Held {
  count: number;
  newest: Line | null;
  readonly timer: NodeJS.Timeout;
}

/**
 * Log lines that clients can cause at any rate. The first line of a key is written immediately. Later lines of its
 * interval are counted, and the newest of them is written with the count when the interval ends. The trace ids of the
 * others are not in the log.
 */
export class RepeatedLines {
  readonly #intervalMs: number;
  readonly #held = new Map<string | symbol, Held>();

  constructor(intervalMs = 60_000) {
    this.#intervalMs = intervalMs;
  }

  write(key: string, line: Line): void {
    const apart = this.#held.has(key) || this.#held.size < MAX_KEYS ? key : OTHERS;
    const held = this.#held.get(apart);
    if (held) {
      held.count += 1;
      held.newest = line;
      return;
    }
    const timer = setTimeout(() => this.#release(apart), this.#intervalMs).unref();
    this.#held.set(apart, { count: 0, newest: null, timer });
    line(1);
  }

  /** Writes the pending lines. */
  close(): void {
    for (const key of [...this.#held.keys()]) this.#release(key);
  }

  #release(key: string | symbol): void {
    const held = this.#held.get(key);
    if (!held) return;
    clearTimeout(held.timer);
    this.#held.delete(key);
    held.newest?.(held.count);
  }
}
