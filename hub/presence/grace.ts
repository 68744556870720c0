/** Members that are suspect, in the order their time runs out: all have the same grace, so a queue is enough. */
export class GraceQueue {
  readonly #graceMs: number;
  readonly #expire: (channel: string, key: string) => void;
  readonly #waiting = new Map<string, { channel: string; key: string; until: number }>();
  #timer: NodeJS.Timeout | null = null;
  #closed = false;

  constructor(graceMs: number, expire: (channel: string, key: string) => void) {
    this.#graceMs = graceMs;
    this.#expire = expire;
  }

  add(channel: string, key: string): void {
    if (this.#closed) return;
    const id = `${channel}\n${key}`;
    this.#waiting.delete(id);
    this.#waiting.set(id, { channel, key, until: performance.now() + this.#graceMs });
    this.#arm();
  }

  remove(channel: string, key: string): void {
    this.#waiting.delete(`${channel}\n${key}`);
  }

  /** Nothing expires any more. */
  close(): void {
    this.#closed = true;
    if (this.#timer) clearTimeout(this.#timer);
    this.#timer = null;
    this.#waiting.clear();
  }

  #arm(): void {
    if (this.#timer) return;
    const [next] = this.#waiting.values();
    if (!next) return;
    this.#timer = setTimeout(() => this.#sweep(), Math.max(0, next.until - performance.now()));
  }

  #sweep(): void {
    this.#timer = null;
    const now = performance.now();
    for (const [id, { channel, key, until }] of this.#waiting) {
      if (until > now) break;
      this.#waiting.delete(id);
      this.#expire(channel, key);
    }
    this.#arm();
  }
}
