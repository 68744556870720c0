import type { EncodedPublication, Retention } from "./broker.ts";

/** A stored publication: its encoding and when it was appended (milliseconds of a monotonic clock). */
export interface StoredPublication extends EncodedPublication {
  storedAt: number;
}

export interface Page {
  publications: StoredPublication[];
  complete: boolean;
}

/**
 * The window of a stream that history holds: the newest `size` publications that are not older than `ttlMs`.
 * Pure but for its own state; `now` is passed in. A ring, so that appending to a full window costs no shifting.
 */
export class StreamWindow {
  readonly #retention: Retention;
  #ring: StoredPublication[] = [];
  /** Where the oldest one stands once the ring is full. */
  #start = 0;
  #newest = 0;

  constructor(retention: Retention) {
    this.#retention = retention;
  }

  /** The offset of the newest publication, 0 before the first. */
  get newest(): number {
    return this.#newest;
  }

  append(json: string, now: number): StoredPublication {
    this.#newest += 1;
    const stored = { offset: this.#newest, json, ephemeral: false, storedAt: now };
    if (this.#retention.size === 0) return stored;
    if (this.#ring.length < this.#retention.size) this.#ring.push(stored);
    else {
      this.#ring[this.#start] = stored;
      this.#start = (this.#start + 1) % this.#ring.length;
    }
    return stored;
  }

  /** Drops what is older than the retention; true where nothing is left. */
  expire(now: number): boolean {
    const live = this.#live(now);
    if (live !== this.#ring.length) {
      this.#ring = this.#slice(this.#ring.length - live, this.#ring.length);
      this.#start = 0;
    }
    return live === 0;
  }

  /** Every publication after `offset`, or null where the window doesn't reach back that far or the offset is unknown. */
  since(offset: number, maxBytes: number, now: number): StoredPublication[] | null {
    if (offset > this.#newest || offset < 0) return null;
    const missing = this.#newest - offset;
    if (missing > this.#live(now)) return null;
    const publications = this.#slice(this.#ring.length - missing, this.#ring.length);
    const bytes = publications.reduce((sum, { json }) => sum + Buffer.byteLength(json), 0);
    return bytes > maxBytes ? null : publications;
  }

  /** A page of the range (after, before), oldest first or newest first. */
  page(query: { after: number; before: number; limit: number; reverse: boolean; maxBytes: number }, now: number): Page {
    const live = this.#live(now);
    const oldest = this.#newest - live + 1;
    const first = Math.max(query.after + 1, oldest);
    const last = Math.min(query.before - 1, this.#newest);
    const askedFirst = Math.max(query.after + 1, 1);
    const complete = askedFirst >= oldest || askedFirst > last;
    if (first > last) return { publications: [], complete };
    const base = this.#ring.length - live - oldest;
    const range = this.#slice(base + first, base + last + 1);
    if (query.reverse) range.reverse();
    const publications = fitting(range, query.limit, query.maxBytes);
    const cutBeforeTrim = query.reverse && publications.length < range.length;
    return { publications, complete: complete || cutBeforeTrim };
  }

  #live(now: number): number {
    const length = this.#ring.length;
    const horizon = now - this.#retention.ttlMs;
    if (length === 0 || this.#at(0).storedAt >= horizon) return length;
    let low = 0;
    let high = length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#at(middle).storedAt >= horizon) high = middle;
      else low = middle + 1;
    }
    return length - low;
  }

  #at(index: number): StoredPublication {
    const stored = this.#ring[(this.#start + index) % this.#ring.length];
    if (!stored) throw new RangeError(`no publication at index ${index} of the window`);
    return stored;
  }

  #slice(from: number, to: number): StoredPublication[] {
    return Array.from({ length: to - from }, (_, index) => this.#at(from + index));
  }
}

function fitting(range: StoredPublication[], limit: number, maxBytes: number): StoredPublication[] {
  let bytes = 0;
  let count = 0;
  for (const { json } of range) {
    bytes += Buffer.byteLength(json);
    if (count === limit || (count > 0 && bytes > maxBytes)) break;
    count += 1;
  }
  return range.slice(0, count);
}
