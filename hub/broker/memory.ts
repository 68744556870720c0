import type { HistoryReply, PublishReply, StreamPosition } from "@monster-realtime/client/protocol";
import { newId } from "../kernel/ids.ts";
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
import { type HistoryBudget, unlimitedBudget } from "./history-budget.ts";
import { MemoryStream, type Remembered } from "./memory-stream.ts";

export interface MemoryBrokerOptions {
  retention(channel: string): Retention;
  /** How long a position outlives the channel's last use. */
  positionTtlMs: number;
  /** Bounds what all streams hold; without it they hold what `retention` allows. */
  budget?: HistoryBudget;
  /** Milliseconds of a monotonic clock. */
  monotonicNow?: () => number;
}

const SWEEP_INTERVAL_MS = 30_000;

/** The broker of a single hub: streams live and die with the process, whose start is their epoch. */
export class MemoryBroker implements Broker {
  readonly #options: MemoryBrokerOptions;
  readonly #budget: HistoryBudget;
  readonly #now: () => number;
  readonly #process = newId();
  #generation = 0;
  readonly #streams = new Map<string, MemoryStream>();
  readonly #sweeper: NodeJS.Timeout;

  constructor(options: MemoryBrokerOptions) {
    this.#options = options;
    this.#budget = options.budget ?? unlimitedBudget();
    this.#now = options.monotonicNow ?? (() => performance.now());
    this.#sweeper = setInterval(() => this.sweep(), SWEEP_INTERVAL_MS).unref();
  }

  async publish(request: BrokerPublish): Promise<PublishReply> {
    const stream = this.#stream(request.channel);
    if (request.ephemeral) return this.#deliverEphemeral(request, stream);
    const { rememberMs = IDEMPOTENCY_TTL_MS } = request;
    const now = this.#now();
    const fingerprint = fingerprintOf(request);
    const first = stream.recall(request, now);
    if (first) {
      if (first.fingerprint !== fingerprint && !this.#isSame(request, first, stream)) throw otherContent();
      return { id: request.id, epoch: stream.epoch, offset: first.offset, duplicate: true };
    }
    const stored = stream.window.append(encode(request, stream.window.newest + 1), now);
    if (rememberMs > 0) stream.remember(request, { offset: stored.offset, fingerprint, until: now + rememberMs });
    stream.listener?.publication(request.channel, stored);
    this.#budget.written(stream, request.organizationId);
    return { id: request.id, epoch: stream.epoch, offset: stored.offset };
  }

  async recover(channel: string, position: StreamPosition, maxBytes: number): Promise<Recovery> {
    const stream = this.#stream(channel);
    const known = position.epoch === stream.epoch;
    const stored = known ? stream.window.since(position.offset, maxBytes, this.#now()) : null;
    this.#count(stream);
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
    this.#count(stream);
    return {
      epoch: stream.epoch,
      offset: stream.window.newest,
      publications: page.publications.map(({ json }) => decode(json)),
      complete: page.complete,
    };
  }

  async subscribe(channel: string, listener: StreamListener): Promise<void> {
    const stream = this.#stream(channel);
    stream.listener = listener;
    this.#count(stream);
  }

  unsubscribe(channel: string): void {
    const stream = this.#stream(channel);
    stream.listener = null;
    // Data that could not be freed while it had a listener can be freed now.
    this.#budget.written(stream);
  }

  async close(): Promise<void> {
    clearInterval(this.#sweeper);
  }

  /** Drops expired data: ids, publications, and unused streams. */
  sweep(): void {
    const now = this.#now();
    for (const stream of this.#streams.values()) {
      const empty = stream.expire(now);
      if (empty && now - stream.usedAt > this.#options.positionTtlMs) stream.end();
      this.#budget.changed(stream);
    }
  }

  #stream(channel: string): MemoryStream {
    const known = this.#streams.get(channel);
    if (known) {
      known.usedAt = this.#now();
      return known;
    }
    // A dropped stream that starts again must have another epoch, because its offsets repeat.
    this.#generation += 1;
    const stream = new MemoryStream({
      channel,
      epoch: `${this.#process}.${this.#generation.toString(36)}`,
      retention: this.#options.retention(channel),
      usedAt: this.#now(),
      onEnd: () => this.#streams.delete(channel),
    });
    this.#streams.set(channel, stream);
    return stream;
  }

  /** A stream that was opened for a read holds some memory too. */
  #count(stream: MemoryStream): void {
    if (stream.bytes === 0) this.#budget.written(stream);
  }

  #isSame(request: BrokerPublish, { offset }: Remembered, { window }: MemoryStream): boolean {
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

  #deliverEphemeral(request: BrokerPublish, stream: MemoryStream): PublishReply {
    const offset = stream.window.newest;
    const publication = { offset, json: encode(request, offset), ephemeral: true };
    this.#count(stream);
    stream.listener?.publication(request.channel, publication);
    return { id: request.id, epoch: stream.epoch, offset };
  }
}

function encode(request: BrokerPublish, offset: number): string {
  return encodeHead(offset) + encodeTail(request);
}
