/** Something that happened, by `performance.now()`. */
export interface Happened {
  readonly at: number;
}

/** One item, between those of the same key. */
interface Kept<Item> {
  readonly item: Item;
  readonly key: string;
  older: Kept<Item> | null;
  newer: Kept<Item> | null;
}

/** How long and how much a node remembers of each kind: enough to look for what went wrong a moment ago. */
export const REMEMBERED_MS = 3_600_000;
export const REMEMBERED_ITEMS = 20_000;

/**
 * The newest of what happened, bounded in number; nothing older than an hour is told. Found by key: whoever looks for one
 * thing passes over nothing else, however much of it others did.
 */
export class Recent<Item extends Happened> {
  readonly #keyOf: (item: Item) => string;
  readonly #max: number;
  readonly #kept: Kept<Item>[] = [];
  readonly #newest = new Map<string, Kept<Item>>();
  /** Where the next one goes, once there are as many as are kept. */
  #next = 0;

  constructor(keyOf: (item: Item) => string, max = REMEMBERED_ITEMS) {
    this.#keyOf = keyOf;
    this.#max = max;
  }

  add(item: Item): void {
    const key = this.#keyOf(item);
    if (this.#kept.length < this.#max) this.#kept.push(this.#linked(item, key));
    else {
      this.#forget(this.#kept[this.#next]);
      this.#kept[this.#next] = this.#linked(item, key);
      this.#next = (this.#next + 1) % this.#max;
    }
  }

  /** Those of this key, the newest first. */
  *newestFirst(key: string, now = performance.now()): Generator<Item> {
    for (let one = this.#newest.get(key) ?? null; one !== null; one = one.older) {
      if (now - one.item.at > REMEMBERED_MS) return;
      yield one.item;
    }
  }

  /** Whether some of what happened since then had to be forgotten. */
  hasForgottenSince(at: number): boolean {
    const oldest = this.#kept[this.#next];
    return this.#kept.length === this.#max && oldest !== undefined && oldest.item.at > at;
  }

  #linked(item: Item, key: string): Kept<Item> {
    const older = this.#newest.get(key) ?? null;
    const kept: Kept<Item> = { item, key, older, newer: null };
    if (older) older.newer = kept;
    this.#newest.set(key, kept);
    return kept;
  }

  /** The oldest of all is the oldest of its key too. */
  #forget(oldest: Kept<Item> | undefined): void {
    if (oldest?.newer) oldest.newer.older = null;
    else if (oldest) this.#newest.delete(oldest.key);
  }
}
