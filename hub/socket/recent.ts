/** An event with its time by `performance.now()`. */
export interface Happened {
  readonly at: number;
}

/** One item in the list of its key. */
interface Kept<Item> {
  readonly item: Item;
  readonly key: string;
  older: Kept<Item> | null;
  newer: Kept<Item> | null;
}

/** How long and how many events of each kind a node keeps: enough to examine a recent problem. */
const REMEMBERED_MS = 3_600_000;
const REMEMBERED_ITEMS = 20_000;

/**
 * The most recent events, bounded in number; events older than an hour are not returned. They are found by key, so that a
 * search does not visit other events, however many there are.
 */
export class Recent<Item extends Happened> {
  readonly #keyOf: (item: Item) => string;
  readonly #max: number;
  readonly #kept: Kept<Item>[] = [];
  readonly #newest = new Map<string, Kept<Item>>();
  /** The place of the next event, once the maximum number is kept. */
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

  /** The events of this key, newest first. */
  *newestFirst(key: string, now = performance.now()): Generator<Item> {
    for (let one = this.#newest.get(key) ?? null; one !== null; one = one.older) {
      if (now - one.item.at > REMEMBERED_MS) return;
      yield one.item;
    }
  }

  /** Whether some events since then were removed to bound the number. */
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

  /** The oldest event of all is also the oldest of its key. */
  #forget(oldest: Kept<Item> | undefined): void {
    if (oldest?.newer) oldest.newer.older = null;
    else if (oldest) this.#newest.delete(oldest.key);
  }
}
