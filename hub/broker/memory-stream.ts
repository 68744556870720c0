import type { BrokerPublish, Retention, StreamListener } from "./broker.ts";
import { Holding } from "./history-budget.ts";
import { StreamWindow } from "./stream.ts";

/** The record of an id, to answer a repetition. */
export interface Remembered {
  offset: number;
  fingerprint: string;
  /** Milliseconds of the broker's clock. */
  until: number;
}

export interface MemoryStreamOptions {
  channel: string;
  epoch: string;
  retention: Retention;
  usedAt: number;
  /** The broker drops the stream: the next one of its channel has another epoch. */
  onEnd(): void;
}

/** The memory of a stream without publications, and of a remembered id. */
const STREAM_BYTES = 512;
const ID_BYTES = 320;

/** One channel's stream in this process: its window, the ids it remembers and its listener. */
export class MemoryStream extends Holding {
  readonly epoch: string;
  readonly window: StreamWindow;
  listener: StreamListener | null = null;
  usedAt: number;
  readonly #onEnd: () => void;
  /** In the order of publication. */
  readonly #ids = new Map<string, Remembered>();
  #ended = false;

  constructor({ channel, epoch, retention, usedAt, onEnd }: MemoryStreamOptions) {
    super(channel);
    this.epoch = epoch;
    this.window = new StreamWindow(retention);
    this.usedAt = usedAt;
    this.#onEnd = onEnd;
  }

  recall(request: BrokerPublish, now: number): Remembered | null {
    const key = keyOf(request);
    const first = this.#ids.get(key);
    if (first && first.until > now) return first;
    // It is remembered again, after ids that expire later.
    if (first) this.#ids.delete(key);
    return null;
  }

  remember(request: BrokerPublish, remembered: Remembered): void {
    this.#ids.set(keyOf(request), remembered);
  }

  /** Drops expired publications and ids; true if no publication is left. */
  expire(now: number): boolean {
    for (const [key, { until }] of this.#ids) {
      if (until > now) break;
      this.#ids.delete(key);
    }
    return this.window.expire(now);
  }

  /** Ends the epoch of a stream without listener. */
  end(): void {
    if (this.listener) return;
    this.#ended = true;
    this.#ids.clear();
    this.#onEnd();
  }

  size(): number {
    return this.#ended ? 0 : STREAM_BYTES + this.window.heldBytes + this.#ids.size * ID_BYTES;
  }

  /** Publications and ids in the order of their offsets, then the stream itself. */
  free(bytes: number): void {
    const down = this.size() - bytes;
    for (const [key, { offset }] of this.#ids) {
      this.#dropBefore(offset, down);
      if (this.size() <= down) return;
      this.#ids.delete(key);
    }
    this.#dropBefore(Number.POSITIVE_INFINITY, down);
    if (this.size() > down) this.end();
  }

  #dropBefore(offset: number, down: number): void {
    while (this.size() > down && this.window.oldest < offset) this.window.dropOldest();
  }
}

function keyOf({ publisher, id }: BrokerPublish): string {
  return `${publisher}\n${id}`;
}
