/** Something that happened, by `performance.now()`. */
export interface Happened {
  readonly at: number;
}

/** How long and how much a node remembers of each kind: enough to look for what went wrong a moment ago. */
export const REMEMBERED_MS = 3_600_000;
export const REMEMBERED_ITEMS = 20_000;

/** The newest of what happened, bounded in number; nothing older than an hour is told. */
export class Recent<Item extends Happened> {
  readonly #items: Item[] = [];
  readonly #max: number;
  /** Where the next one goes, once there are as many as are kept. */
  #next = 0;

  constructor(max = REMEMBERED_ITEMS) {
    this.#max = max;
  }

  add(item: Item): void {
    if (this.#items.length < this.#max) this.#items.push(item);
    else {
      this.#items[this.#next] = item;
      this.#next = (this.#next + 1) % this.#max;
    }
  }

  /** The newest first. */
  *newestFirst(now = performance.now()): Generator<Item> {
    for (let index = this.#items.length - 1; index >= 0; index -= 1) {
      const item = this.#items[(this.#next + index) % this.#items.length];
      if (item === undefined || now - item.at > REMEMBERED_MS) return;
      yield item;
    }
  }

  /** Whether some of what happened since then had to be forgotten. */
  hasForgottenSince(at: number): boolean {
    const oldest = this.#items[this.#next];
    return this.#items.length === this.#max && oldest !== undefined && oldest.at > at;
  }
}
