import type { EncodedPublication, Retention } from "./broker.ts";

/** A stored publication: its encoding, and when it was appended (milliseconds of a monotonic clock). */
export interface StoredPublication extends EncodedPublication {
  storedAt: number;
  /** The size of the encoding in UTF-8. */
  bytes: number;
}

export interface Page {
  publications: StoredPublication[];
  complete: boolean;
}

/** The memory of a stored publication besides its text: its object, the string's head, the place in the window. */
export const PUBLICATION_BYTES = 160;
/** The front of the list is cut off once this many of its places, and half of all, are empty. */
const CUT_AT = 32;

/**
 * The part of a stream that history holds: the newest `size` publications within `ttlMs`, without those that were dropped
 * early. Pure except for its own state; `now` is passed in. Removing the oldest costs constant time on average.
 */
export class StreamWindow {
  readonly #retention: Retention;
  /** Places before `#start` are empty. */
  #stored: (StoredPublication | undefined)[] = [];
  #start = 0;
  #newest = 0;
  #heldBytes = 0;

  constructor(retention: Retention) {
    this.#retention = retention;
  }

  /** The offset of the newest publication, 0 before the first. */
  get newest(): number {
    return this.#newest;
  }

  /** The offset of the oldest held publication; infinite if there is none. */
  get oldest(): number {
    return this.#length === 0 ? Number.POSITIVE_INFINITY : this.#newest - this.#length + 1;
  }

  /** The memory of the window, as an upper estimate. */
  get heldBytes(): number {
    return this.#heldBytes;
  }

  append(json: string, now: number): StoredPublication {
    this.#newest += 1;
    const stored = { offset: this.#newest, json, ephemeral: false, storedAt: now, bytes: Buffer.byteLength(json) };
    if (this.#retention.size === 0) return stored;
    if (this.#length === this.#retention.size) this.dropOldest();
    this.#stored.push(stored);
    this.#heldBytes += heldBy(stored);
    return stored;
  }

  /** Drops publications older than the retention; true if none is left. */
  expire(now: number): boolean {
    const live = this.#live(now);
    while (this.#length > live) this.dropOldest();
    return live === 0;
  }

  /** Drops the oldest publication of a window that is not empty: recovery from before it then fails. */
  dropOldest(): void {
    this.#heldBytes -= heldBy(this.#at(0));
    this.#stored[this.#start] = undefined;
    this.#start += 1;
    if (this.#start < CUT_AT || this.#start < this.#stored.length / 2) return;
    this.#stored = this.#stored.slice(this.#start);
    this.#start = 0;
  }

  /** Every publication after `offset`, or null if the window does not reach back that far or the offset is unknown. */
  since(offset: number, maxBytes: number, now: number): StoredPublication[] | null {
    if (offset > this.#newest || offset < 0) return null;
    const missing = this.#newest - offset;
    if (missing > this.#live(now)) return null;
    const publications = this.#slice(this.#length - missing, this.#length);
    const bytes = publications.reduce((sum, publication) => sum + publication.bytes, 0);
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
    const base = this.#length - live - oldest;
    const range = this.#slice(base + first, base + last + 1);
    if (query.reverse) range.reverse();
    const publications = fitting(range, query.limit, query.maxBytes);
    const cutBeforeTrim = query.reverse && publications.length < range.length;
    return { publications, complete: complete || cutBeforeTrim };
  }

  get #length(): number {
    return this.#stored.length - this.#start;
  }

  #live(now: number): number {
    const length = this.#length;
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
    const stored = this.#stored[this.#start + index];
    if (!stored) throw new RangeError(`no publication at index ${index} of the window`);
    return stored;
  }

  #slice(from: number, to: number): StoredPublication[] {
    return Array.from({ length: to - from }, (_, index) => this.#at(from + index));
  }
}

/** V8 stores a text with one byte per character, or two if any character needs them. */
function heldBy({ json, bytes }: StoredPublication): number {
  return PUBLICATION_BYTES + (bytes === json.length ? bytes : json.length * 2);
}

function fitting(range: StoredPublication[], limit: number, maxBytes: number): StoredPublication[] {
  let bytes = 0;
  let count = 0;
  for (const publication of range) {
    bytes += publication.bytes;
    if (count === limit || (count > 0 && bytes > maxBytes)) break;
    count += 1;
  }
  return range.slice(0, count);
}
