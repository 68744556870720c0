import type { HistoryReply, PublishReply, StreamPosition } from "@monster-realtime/client/protocol";
import { newId } from "../ids.ts";
import {
  type Broker,
  type BrokerPublish,
  type HistoryQuery,
  IDEMPOTENCY_TTL_MS,
  type Recovery,
  type Retention,
  type StreamListener,
} from "./broker.ts";
import { fingerprintOf, isSameContent } from "./content.ts";
import { decode, encodeHead, encodeTail, otherContent, otherEpoch } from "./encoding.ts";
import { StreamWindow } from "./stream.ts";

export interface MemoryBrokerOptions {
  retention(channel: string): Retention;
  /** How long a position outlives the channel's last use. */
  positionTtlMs: number;
  /** Milliseconds of a clock that never goes back. */
  monotonicNow?: () => number;
}

interface Stream {
  epoch: string;
  window: StreamWindow;
  usedAt: number;
}
interface Remembered {
  offset: number;
  epoch: string;
  fingerprint: string;
  until: number;
}

const SWEEP_INTERVAL_MS = 30_000;

/** The broker of a hub that is alone: streams live and die with the process, whose start is their epoch. */
export class MemoryBroker implements Broker {
  readonly #options: MemoryBrokerOptions;
  readonly #now: () => number;
  readonly #process = newId();
  #generation = 0;
  readonly #streams = new Map<string, Stream>();
  readonly #listeners = new Map<string, StreamListener>();
  /** By how long keys live: those that live equally long are in the order of `until`. */
  readonly #remembered = new Map<number, Map<string, Remembered>>();
  readonly #sweeper: NodeJS.Timeout;

  constructor(options: MemoryBrokerOptions) {
    this.#options = options;
    this.#now = options.monotonicNow ?? (() => performance.now());
    this.#sweeper = setInterval(() => this.sweep(), SWEEP_INTERVAL_MS).unref();
  }

  async publish(request: BrokerPublish): Promise<PublishReply> {
    const stream = this.#stream(request.channel);
    if (request.ephemeral) return this.#deliverEphemeral(request, stream);
    const { rememberMs = IDEMPOTENCY_TTL_MS } = request;
    const key = `${request.channel}\n${request.publisher}\n${request.id}`;
    const fingerprint = fingerprintOf(request);
    const first = this.#recall(key, stream.epoch);
    if (first) {
      if (first.fingerprint !== fingerprint && !this.#isSame(request, first, stream)) throw otherContent();
      return { id: request.id, epoch: first.epoch, offset: first.offset, duplicate: true };
    }
    const now = this.#now();
    const stored = stream.window.append(encode(request, stream.window.newest + 1), now);
    if (rememberMs > 0) {
      const until = now + rememberMs;
      this.#livingFor(rememberMs).set(key, { offset: stored.offset, epoch: stream.epoch, fingerprint, until });
    }
    this.#listeners.get(request.channel)?.publication(request.channel, stored);
    return { id: request.id, epoch: stream.epoch, offset: stored.offset };
  }

  async recover(channel: string, position: StreamPosition, maxBytes: number): Promise<Recovery> {
    const stream = this.#stream(channel);
    const known = position.epoch === stream.epoch;
    const stored = known ? stream.window.since(position.offset, maxBytes, this.#now()) : null;
    return {
      epoch: stream.epoch,
      offset: stream.window.newest,
      publications: stored ? stored.map(({ json }) => decode(json)) : null,
    };
  }

  async history(channel: string, query: HistoryQuery): Promise<HistoryReply> {
    const stream = this.#stream(channel);
    if (query.epoch !== undefined && query.epoch !== stream.epoch) throw otherEpoch();
    const { after = 0, before = Number.MAX_SAFE_INTEGER, limit, reverse, maxBytes } = query;
    const page = stream.window.page({ after, before, limit, reverse, maxBytes }, this.#now());
    return {
      epoch: stream.epoch,
      offset: stream.window.newest,
      publications: page.publications.map(({ json }) => decode(json)),
      complete: page.complete,
    };
  }

  async subscribe(channel: string, listener: StreamListener): Promise<void> {
    this.#stream(channel);
    this.#listeners.set(channel, listener);
  }

  unsubscribe(channel: string): void {
    this.#stream(channel);
    this.#listeners.delete(channel);
  }

  async close(): Promise<void> {
    clearInterval(this.#sweeper);
  }

  /** Forgets what has outlived its time: keys, publications, and streams that nobody asked for. */
  sweep(): void {
    const now = this.#now();
    for (const keys of this.#remembered.values()) {
      for (const [key, { until }] of keys) {
        if (until > now) break;
        keys.delete(key);
      }
    }
    for (const [channel, stream] of this.#streams) {
      const empty = stream.window.expire(now);
      const idle = now - stream.usedAt > this.#options.positionTtlMs;
      if (empty && idle && !this.#listeners.has(channel)) this.#streams.delete(channel);
    }
  }

  #stream(channel: string): Stream {
    const known = this.#streams.get(channel);
    if (known) {
      known.usedAt = this.#now();
      return known;
    }
    // A forgotten stream that starts again must not look like the one before: its offsets do.
    this.#generation += 1;
    const stream = {
      epoch: `${this.#process}.${this.#generation.toString(36)}`,
      window: new StreamWindow(this.#options.retention(channel)),
      usedAt: this.#now(),
    };
    this.#streams.set(channel, stream);
    return stream;
  }

  #isSame(request: BrokerPublish, { offset }: Remembered, { window }: Stream): boolean {
    const query = {
      after: offset - 1,
      before: offset + 1,
      limit: 1,
      reverse: false,
      maxBytes: Number.POSITIVE_INFINITY,
    };
    const [first] = window.page(query, this.#now()).publications;
    return first !== undefined && isSameContent(decode(first.json), request);
  }

  #deliverEphemeral(request: BrokerPublish, stream: Stream): PublishReply {
    const offset = stream.window.newest;
    const publication = { offset, json: encode(request, offset), ephemeral: true };
    this.#listeners.get(request.channel)?.publication(request.channel, publication);
    return { id: request.id, epoch: stream.epoch, offset };
  }

  #livingFor(rememberMs: number): Map<string, Remembered> {
    const known = this.#remembered.get(rememberMs);
    if (known) return known;
    const keys = new Map<string, Remembered>();
    this.#remembered.set(rememberMs, keys);
    return keys;
  }

  #recall(key: string, epoch: string): Remembered | undefined {
    for (const keys of this.#remembered.values()) {
      const first = keys.get(key);
      if (first && first.until > this.#now() && first.epoch === epoch) return first;
      // It is made anew, behind those that live longer.
      if (first) keys.delete(key);
    }
    return undefined;
  }
}

function encode(request: BrokerPublish, offset: number): string {
  return encodeHead(offset) + encodeTail(request);
}
