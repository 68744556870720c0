import type { HistoryReply, PublishReply, StreamPosition } from "@monster-realtime/client/protocol";
import { HubError } from "../kernel/errors.ts";
import {
  type Broker,
  type BrokerPublish,
  type ChannelOwners,
  type HistoryQuery,
  IDEMPOTENCY_TTL_MS,
  type Recovery,
  type Retention,
  type StreamListener,
} from "./broker.ts";
import { type HistoryBudget, UNKNOWN } from "./history-budget.ts";
import { RedisHolding } from "./redis-holding.ts";

/** The memory usage of the streams' store. */
export interface StreamMemory {
  /** The shares from which publications of clients are rejected: of the largest organizations, and of all. */
  readonly levels: { readonly REFUSE_LARGEST: number; readonly REFUSE: number };
  /** The used share, 0 to 1. */
  readonly share: number;
  added(bytes: number): void;
}

export interface BudgetedBrokerOptions {
  inner: Broker & { trim(channel: string, offset: number): void };
  budget: HistoryBudget;
  owners: ChannelOwners;
  memory: StreamMemory;
  retention(channel: string): Retention;
  /** Milliseconds of a monotonic clock. */
  monotonicNow?: () => number;
}

/** The publisher of changes, which are never rejected. */
const HUB = "service:hub";
const SWEEP_MS = 10_000;
const RETRY_MS = 2_000;

/**
 * A broker whose streams are in a store that several nodes share. It counts what this node stores there and trims it by the
 * budget. Client publications are rejected before the store is full, so that presence and changes still have room.
 */
export class BudgetedBroker implements Broker {
  readonly #options: BudgetedBrokerOptions;
  readonly #now: () => number;
  readonly #holdings = new Map<string, RedisHolding>();
  readonly #sweeper: NodeJS.Timeout;

  constructor(options: BudgetedBrokerOptions) {
    this.#options = options;
    this.#now = options.monotonicNow ?? (() => performance.now());
    this.#sweeper = setInterval(() => this.sweep(), SWEEP_MS).unref();
  }

  async publish(request: BrokerPublish): Promise<PublishReply> {
    const { inner } = this.#options;
    if (request.ephemeral) return inner.publish(request);
    const byClient = request.publisher !== HUB;
    const refusal = byClient ? this.#refusal(request.channel) : null;
    if (refusal) throw refusal;
    const reply = await inner.publish(byClient ? request : this.#shortened(request));
    if (!reply.duplicate) this.#store(request, reply.offset, byClient);
    return reply;
  }

  recover(channel: string, position: StreamPosition, maxBytes: number): Promise<Recovery> {
    return this.#options.inner.recover(channel, position, maxBytes);
  }

  history(channel: string, query: HistoryQuery): Promise<HistoryReply> {
    return this.#options.inner.history(channel, query);
  }

  subscribe(channel: string, listener: StreamListener): Promise<void> {
    return this.#options.inner.subscribe(channel, listener);
  }

  unsubscribe(channel: string): void {
    this.#options.inner.unsubscribe(channel);
  }

  close(): Promise<void> {
    clearInterval(this.#sweeper);
    return this.#options.inner.close();
  }

  /** Counts again, without the data that the store has expired. */
  sweep(): void {
    const now = this.#now();
    for (const holding of this.#holdings.values()) {
      holding.expire(now);
      this.#options.budget.changed(holding);
      if (holding.bytes === 0) this.#holdings.delete(holding.channel);
    }
  }

  #store({ channel, payloadJson, organizationId }: BrokerPublish, offset: number, byClient: boolean): void {
    const { budget, memory } = this.#options;
    const bytes = Buffer.byteLength(payloadJson);
    const holding = this.#holdings.get(channel) ?? this.#open(channel);
    const before = holding.size();
    holding.store({ offset, bytes, byClient }, this.#now());
    memory.added(Math.max(0, holding.size() - before));
    budget.written(holding, organizationId);
  }

  #open(channel: string): RedisHolding {
    const { inner, retention } = this.#options;
    const holding = new RedisHolding({
      channel,
      retention: retention(channel),
      trim: (of, offset) => inner.trim(of, offset),
    });
    this.#holdings.set(channel, holding);
    return holding;
  }

  /**
   * While clients are rejected, the ids of changes are remembered as long as those of clients. A publisher that froze for
   * longer could repeat a change, but a full Redis would stop all changes.
   */
  #shortened(request: BrokerPublish): BrokerPublish {
    const { rememberMs } = request;
    const { levels, share } = this.#options.memory;
    if (rememberMs === undefined || share < levels.REFUSE_LARGEST) return request;
    return { ...request, rememberMs: Math.min(rememberMs, IDEMPOTENCY_TTL_MS) };
  }

  #refusal(channel: string): HubError | null {
    const { budget, memory } = this.#options;
    const { levels, share } = memory;
    const held = this.#heldWith(channel, share >= levels.REFUSE_LARGEST);
    // The remainder over the limit are ids, which can't be removed early.
    if (held > budget.limits.maxBytesPerOrganization) return tooManyIds();
    if (share >= levels.REFUSE) return short();
    const isLarge = held > 0 && held >= budget.bytes / budget.organizationCount;
    return share >= levels.REFUSE_LARGEST && isLarge ? short() : null;
  }

  /** The bytes of the channel's organization; `isAsked`: also if the channel itself holds nothing. */
  #heldWith(channel: string, isAsked: boolean): number {
    const organization = this.#holdings.get(channel)?.organization;
    if (organization || !isAsked) return organization?.bytes ?? 0;
    return this.#options.budget.bytesOf(this.#options.owners.known(channel) ?? UNKNOWN);
  }
}

function tooManyIds(): HubError {
  const message =
    "The publication was not accepted, because the ids of this organization's publications of the last five minutes take " +
    "its share of the memory. Publish less often, or with `ephemeral`.";
  return new HubError("rate_limited", message, { retryAfterMs: RETRY_MS });
}

function short(): HubError {
  const message =
    "The publication was not accepted, because Redis is short of memory. Try again later, with the same id; " +
    "the hub's operator can raise maxmemory.";
  return new HubError("unavailable", message, { retryAfterMs: RETRY_MS });
}
