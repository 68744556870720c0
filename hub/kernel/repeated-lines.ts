/** Keys that are kept apart; further ones count together. */
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
 * Lines that a client can cause as often as it likes. The first line of a key is written at once. Later lines of its
 * interval are counted, and the newest of them is written with the count when the interval ends.
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

  /** Writes what is held. */
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
