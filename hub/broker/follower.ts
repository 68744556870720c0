import type { StreamPosition } from "@monster-realtime/client/protocol";
import type { EncodedPublication, StreamListener } from "./broker.ts";
import type { StreamMessage } from "./stream-message.ts";

/** The stream after a position: `publications` is null if not all of it is available. */
export interface StreamTail extends StreamPosition {
  publications: EncodedPublication[] | null;
}

export interface FollowerOptions {
  channel: string;
  /** Reads the publications after `position`; null: reads only the current position. */
  read(position: StreamPosition | null): Promise<StreamTail>;
  /** Called for messages that can't belong to the stream. */
  onForeign(): void;
}

interface Held {
  message: StreamMessage;
  /** Whether the stream was read after the message arrived: then the stream's state decides. */
  judged: boolean;
}

const RETRY_MS = 250;
/** How long to wait for expected messages before the stream is read. */
const PATIENCE_MS = 50;
/** The number of messages kept during a read; further ones are read from the stream. */
const MAX_HELD = 1_000;

/**
 * Follows one stream by messages that may be lost, and proves that it saw every offset: a message out of order makes it
 * read the missing ones. If they are not all available, the listener gets `lost`, and it continues from the newest.
 */
export class Follower {
  listener: StreamListener | null = null;
  readonly channel: string;
  readonly #options: FollowerOptions;
  #cursor: StreamPosition | null = null;
  #held: Held[] = [];
  #reading = false;
  /** The stream must be read once more: events may have followed the read in progress. */
  #again = false;
  #failure: unknown = null;
  #ended = false;
  #retry: NodeJS.Timeout | null = null;
  #waiting: { position: StreamPosition | null; resolve(): void; reject(error: unknown): void }[] = [];

  constructor(options: FollowerOptions) {
    this.#options = options;
    this.channel = options.channel;
  }

  /** Receives a message, and delivers it in this turn if it is the next one. */
  message(message: StreamMessage): void {
    if (this.#reading || !this.#cursor) this.#hold({ message, judged: false });
    else if (!this.#take(message, this.#cursor)) {
      this.#hold({ message, judged: false });
      this.catchUp();
    }
  }

  /** Messages may have been missed until now. */
  catchUp(): void {
    if (this.#ended) return;
    if (this.#reading) this.#again = true;
    else void this.#read();
  }

  /** Resolves when a position is known after which nothing is missed; rejects if the stream can't be read. */
  ready(): Promise<void> {
    return this.#cursor ? Promise.resolve() : this.#wait(null);
  }

  /** Resolves when the listener got everything up to `position`, or `lost`. Throws if the stream can't be read. */
  async reach(position: StreamPosition): Promise<void> {
    if (this.#reached(position)) return;
    const timer = setTimeout(() => this.catchUp(), this.#cursor?.epoch === position.epoch ? PATIENCE_MS : 0);
    await this.#wait(position).finally(() => clearTimeout(timer));
  }

  end(): void {
    this.#ended = true;
    if (this.#retry) clearTimeout(this.#retry);
    this.#held = [];
    // There is no listener any more, so there is nothing left to wait for.
    for (const { resolve } of this.#waiting.splice(0)) resolve();
  }

  #wait(position: StreamPosition | null): Promise<void> {
    if (this.#failure !== null) return Promise.reject(this.#failure);
    return new Promise((resolve, reject) => {
      this.#waiting.push({ position, resolve, reject });
    });
  }

  #reached(position: StreamPosition | null): boolean {
    if (!this.#cursor) return false;
    return position === null || (this.#cursor.epoch === position.epoch && this.#cursor.offset >= position.offset);
  }

  /** Delivers the message or skips it; false if publications before it are missing. */
  #take(message: StreamMessage, cursor: StreamPosition): boolean {
    const { epoch, offset, ephemeral } = message;
    const next = ephemeral ? cursor.offset : cursor.offset + 1;
    if (epoch !== cursor.epoch || offset > next) return false;
    // Older ones were read from the stream already; an older ephemeral one would be out of order.
    if (offset === next) this.#deliver(message, { epoch, offset });
    return true;
  }

  #deliver({ offset, json, ephemeral }: EncodedPublication, cursor: StreamPosition): void {
    this.#cursor = cursor;
    this.listener?.publication(this.channel, { offset, json, ephemeral });
    if (this.#waiting.length > 0) this.#release();
  }

  #hold(held: Held): void {
    if (this.#held.length >= MAX_HELD) {
      this.#held = [];
      this.#again = true;
    }
    this.#held.push(held);
  }

  async #read(): Promise<void> {
    this.#reading = true;
    this.#again = false;
    for (const held of this.#held) held.judged = true;
    try {
      this.#apply(await this.#options.read(this.#cursor));
      this.#failure = null;
      this.#reading = false;
    } catch (error) {
      this.#failed(error);
      return;
    }
    this.#resume();
  }

  /** Processes the messages that arrived during the read. */
  #resume(): void {
    const held = this.#held;
    this.#held = [];
    for (const { message, judged } of held) {
      if (this.#reading || !this.#cursor) this.#hold({ message, judged });
      else if (this.#take(message, this.#cursor)) continue;
      else if (judged) this.#judge(message, this.#cursor);
      else {
        this.#hold({ message, judged });
        this.#again = true;
      }
    }
    this.#release();
    if (this.#again) this.catchUp();
  }

  /** An epoch other than the stream's is a past one. An offset that the stream does not have was never published. */
  #judge({ epoch }: StreamMessage, cursor: StreamPosition): void {
    if (epoch === cursor.epoch) this.#options.onForeign();
  }

  #failed(error: unknown): void {
    this.#failure = error;
    for (const { reject } of this.#waiting.splice(0)) reject(error);
    if (this.#ended) return;
    this.#retry = setTimeout(() => void this.#read(), RETRY_MS).unref();
  }

  #apply({ epoch, offset, publications }: StreamTail): void {
    if (this.#ended) return;
    const known = this.#cursor !== null;
    if (this.#cursor?.epoch === epoch) this.#deliverKept(this.#cursor);
    for (const publication of publications ?? []) {
      const cursor = { epoch, offset: publication.offset };
      this.#deliver(publication, cursor);
      this.#deliverKept(cursor);
    }
    this.#cursor = { epoch, offset };
    if (known && !publications) this.listener?.lost(this.channel);
    // Waiters for another epoch than the stream's have received `lost`.
    this.#release(epoch);
  }

  /** Delivers the ephemeral publications at `cursor` that arrived while the stream was read. */
  #deliverKept(cursor: StreamPosition): void {
    const due = this.#held.filter(({ message }) => {
      return message.ephemeral && message.epoch === cursor.epoch && message.offset === cursor.offset;
    });
    if (due.length === 0) return;
    this.#held = this.#held.filter((held) => !due.includes(held));
    for (const { message } of due) this.#deliver(message, cursor);
  }

  #release(epoch?: string): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const waiter of waiting) {
      const gone = epoch !== undefined && waiter.position !== null && waiter.position.epoch !== epoch;
      if (gone || this.#reached(waiter.position)) waiter.resolve();
      else this.#waiting.push(waiter);
    }
  }
}
