import { IDEMPOTENCY_TTL_MS, type Retention } from "./broker.ts";
import { Holding } from "./history-budget.ts";
import { PUBLICATION_BYTES } from "./stream.ts";

/** What a channel takes in Redis and in this process besides its publications, and what a publication's id takes. */
const CHANNEL_BYTES = 512;
const ID_BYTES = 360;
/** Redis allocates sizes up to a quarter larger than requested. */
const ROUNDING = 1.25;
/** A channel's publications are counted in about this many parts, each of which is removed as a whole. */
const PARTS = 16;

export interface RedisHoldingOptions {
  channel: string;
  retention: Retention;
  /** Removes the publications up to this offset from Redis. */
  trim(channel: string, offset: number): void;
}

/** Consecutive publications, counted together. Times are milliseconds of a monotonic clock. */
interface Part {
  startedAt: number;
  lastAt: number;
  count: number;
  bytes: number;
  /** The offset of the last publication. */
  offset: number;
}

/**
 * What this node stored in one channel in Redis, as an upper estimate. Publications count in parts, each until its last
 * publication has expired or newer ones have replaced it. Ids of clients count until they expire.
 * `test/cluster/history-budget` compares the estimate with Redis' `used_memory`.
 */
export class RedisHolding extends Holding {
  readonly #options: RedisHoldingOptions;
  readonly #publications: Part[] = [];
  readonly #ids: Part[] = [];
  #count = 0;
  #bytes = 0;

  constructor(options: RedisHoldingOptions) {
    super(options.channel);
    this.#options = options;
  }

  /** Counts a stored publication; `bytes`: its JSON in UTF-8. `byClient`: its id is remembered as well. */
  store({ offset, bytes, byClient }: { offset: number; bytes: number; byClient: boolean }, now: number): void {
    const { size, ttlMs } = this.#options.retention;
    if (size > 0) {
      const held = Math.ceil(bytes * ROUNDING) + PUBLICATION_BYTES;
      add(this.#publications, { held, offset, now, most: size / PARTS, longestMs: ttlMs / PARTS });
      this.#count += 1;
      this.#bytes += held;
    }
    if (byClient) {
      add(this.#ids, { held: ID_BYTES, offset, now, most: Infinity, longestMs: IDEMPOTENCY_TTL_MS / PARTS });
      this.#bytes += ID_BYTES;
    }
    this.expire(now);
  }

  /** Drops the parts that Redis has expired. */
  expire(now: number): void {
    const { size, ttlMs } = this.#options.retention;
    for (let [first] = this.#publications; first; [first] = this.#publications) {
      const isLive = first.lastAt + ttlMs > now && this.#count - first.count < size;
      if (isLive) break;
      this.#dropPublications();
    }
    for (let [first] = this.#ids; first && first.lastAt + IDEMPOTENCY_TTL_MS <= now; [first] = this.#ids) {
      this.#bytes -= first.bytes;
      this.#ids.shift();
    }
  }

  size(): number {
    return this.#bytes === 0 ? 0 : CHANNEL_BYTES + this.#bytes;
  }

  /** Ids stay: without them a retry of the channel's recent publications would not be detected. */
  free(bytes: number): void {
    const down = this.#bytes - bytes;
    let trimmed: number | null = null;
    while (this.#bytes > down && this.#publications.length > 0) trimmed = this.#dropPublications();
    if (trimmed !== null) this.#options.trim(this.channel, trimmed);
  }

  /** The offset of the last one. */
  #dropPublications(): number {
    const { bytes = 0, count = 0, offset = 0 } = this.#publications.shift() ?? {};
    this.#bytes -= bytes;
    this.#count -= count;
    return offset;
  }
}

interface Added {
  held: number;
  offset: number;
  now: number;
  /** The limits of one part: its number of publications, and its time span. */
  most: number;
  longestMs: number;
}

function add(parts: Part[], { held, offset, now, most, longestMs }: Added): void {
  const last = parts.at(-1);
  if (last && last.count < most && now - last.startedAt < longestMs) {
    last.count += 1;
    last.bytes += held;
    last.lastAt = now;
    last.offset = offset;
  } else parts.push({ startedAt: now, lastAt: now, count: 1, bytes: held, offset });
}
