import { HubError } from "../kernel/errors.ts";
import type { RedisConnection } from "./connection.ts";
import { faultOf, unavailable } from "./faults.ts";
import { slotOf } from "./slot.ts";
import { SubscriberLink } from "./subscriber-link.ts";

export interface ShardListener {
  /** Called in the turn of the event loop in which the message was received. */
  message(channel: string, text: string): void;
  /** Subscribed, for the first time or again: earlier messages may have been missed. */
  confirmed(channel: string): void;
  /** Unsubscribed for `LINGER_MS`: nothing is received from now on. */
  released(channel: string): void;
}

export interface SubscriptionsOptions {
  /** How often each connection proves that it receives. */
  beatMs?: number;
}

export const DEFAULT_BEAT_MS = 2_000;
/** A channel that is subscribed again within this time keeps its subscription. */
const LINGER_MS = 1_000;
const RETRY_MS = 250;
/** A resharding moves many slots, one after the other. */
const MOVED_MS = 500;

/** One sharded channel: its wanted and its actual state. */
interface Entry {
  channel: string;
  slot: number;
  listener: ShardListener;
  wanted: boolean;
  /** The link on which Redis confirmed the subscription. */
  on: SubscriberLink | null;
  /** A command for it is in progress: one at a time, so that subscribing and unsubscribing can't overtake each other. */
  busy: boolean;
  waiting: { resolve(): void; reject(error: unknown): void }[];
  linger: NodeJS.Timeout | null;
}

/**
 * The sharded channels that this node receives, with one connection for each Redis node that has one of them. Wanted
 * channels are subscribed again, wherever their slot is, after a connection was lost or received nothing, or slots moved.
 */
export class RedisSubscriptions {
  readonly #redis: RedisConnection;
  readonly #entries = new Map<string, Entry>();
  readonly #links = new Map<string, SubscriberLink>();
  readonly #beat: NodeJS.Timeout;
  readonly #moving = new Map<SubscriberLink, NodeJS.Timeout>();
  #retry: NodeJS.Timeout | null = null;
  #closed = false;

  constructor(redis: RedisConnection, { beatMs = DEFAULT_BEAT_MS }: SubscriptionsOptions = {}) {
    this.#redis = redis;
    this.#beat = setInterval(() => this.#tick(), beatMs).unref();
  }

  /** Resolves when the subscription is confirmed, after `listener.confirmed`; one listener per channel. Throws `unavailable`. */
  subscribe(channel: string, listener: ShardListener): Promise<void> {
    const entry = this.#entry(channel, listener);
    entry.wanted = true;
    if (entry.linger) clearTimeout(entry.linger);
    entry.linger = null;
    if (entry.on?.live) return Promise.resolve();
    return new Promise((resolve, reject) => {
      entry.waiting.push({ resolve, reject });
      void this.#settle(entry);
    });
  }

  /** Unsubscribes after `LINGER_MS`, unless the channel is subscribed again before. */
  unsubscribe(channel: string): void {
    const entry = this.#entries.get(channel);
    if (!entry || entry.linger) return;
    entry.linger = setTimeout(() => {
      entry.linger = null;
      entry.wanted = false;
      void this.#settle(entry);
    }, LINGER_MS).unref();
  }

  close(): void {
    this.#closed = true;
    clearInterval(this.#beat);
    if (this.#retry) clearTimeout(this.#retry);
    for (const timer of this.#moving.values()) clearTimeout(timer);
    for (const { linger } of this.#entries.values()) if (linger) clearTimeout(linger);
    for (const link of [...this.#links.values()]) link.close();
    for (const entry of this.#entries.values()) refuse(entry, new Error("closed"));
    this.#entries.clear();
  }

  #entry(channel: string, listener: ShardListener): Entry {
    const known = this.#entries.get(channel);
    if (known) return known;
    const state = { wanted: true, on: null, busy: false, waiting: [], linger: null };
    const entry = { channel, slot: slotOf(channel), listener, ...state };
    this.#entries.set(channel, entry);
    return entry;
  }

  /** Brings an entry from its actual to its wanted state, however often that changes in the meantime. */
  async #settle(entry: Entry): Promise<void> {
    if (entry.busy || this.#closed) return;
    entry.busy = true;
    try {
      while (!this.#closed && !this.#isSettled(entry)) await this.#step(entry);
      for (const { resolve } of entry.waiting.splice(0)) resolve();
    } catch (error) {
      this.#redis.observe(error);
      refuse(entry, error);
      this.#retrySoon();
    } finally {
      entry.busy = false;
    }
    if (entry.wanted || entry.on || this.#closed) return;
    this.#entries.delete(entry.channel);
    entry.listener.released(entry.channel);
  }

  #isSettled({ wanted, on, slot }: Entry): boolean {
    if (!wanted || !on) return !wanted && !on;
    const owner = this.#redis.ownerOf(slot);
    return on.live && (owner === null || owner === on.owner);
  }

  async #step(entry: Entry): Promise<void> {
    const before = entry.on;
    if (before) {
      entry.on = null;
      if (before.live) await before.unsubscribe(entry.channel).catch((error) => closeUnlessMoved(before, error));
      return;
    }
    const link = this.#linkTo(entry.slot);
    await link.opened;
    try {
      await link.subscribe(entry.channel);
    } catch (error) {
      closeUnlessMoved(link, error);
      throw error;
    }
    entry.on = link;
    entry.listener.confirmed(entry.channel);
  }

  #linkTo(slot: number): SubscriberLink {
    const owner = this.#redis.ownerOf(slot);
    if (owner === null) throw new Error("no node is known to have the channel's slot");
    const known = this.#links.get(owner);
    if (known) return known;
    const link = new SubscriberLink(this.#redis, owner, {
      message: (channel, text) => this.#entries.get(channel)?.listener.message(channel, text),
      moved: (moved) => this.#movedSoon(moved),
      down: (ended) => this.#down(ended),
    });
    this.#links.set(owner, link);
    return link;
  }

  #down(link: SubscriberLink): void {
    if (this.#links.get(link.owner) === link) this.#links.delete(link.owner);
    this.#resubscribe(link);
  }

  /** A node reports too late which channels it dropped, so all of its channels are subscribed again. */
  #movedSoon(link: SubscriberLink): void {
    if (this.#closed || this.#moving.has(link)) return;
    const moved = async () => {
      await this.#redis.refreshOwners();
      this.#moving.delete(link);
      this.#resubscribe(link);
    };
    this.#moving.set(link, setTimeout(moved, MOVED_MS).unref());
  }

  #resubscribe(link: SubscriberLink): void {
    for (const entry of this.#entries.values()) if (entry.on === link) entry.on = null;
    this.#retrySoon(link.live ? 0 : RETRY_MS);
  }

  #retrySoon(delayMs = RETRY_MS): void {
    if (this.#closed || this.#retry) return;
    this.#retry = setTimeout(() => {
      this.#retry = null;
      this.#settleAll();
    }, delayMs).unref();
  }

  #settleAll(): void {
    for (const entry of this.#entries.values()) if (!this.#isSettled(entry)) void this.#settle(entry);
  }

  #tick(): void {
    for (const link of [...this.#links.values()]) link.beat();
    // A slot that moved without a notification shows in the list of owners.
    this.#settleAll();
  }
}

function refuse(entry: Entry, cause: unknown): void {
  const error = faultOf(cause)
    ? unavailable(cause)
    : new HubError("unavailable", "Redis does not confirm the subscription. Try again.", {
        cause,
        retryAfterMs: 1_000,
      });
  for (const { reject } of entry.waiting.splice(0)) reject(error);
}

/** Without an answer the subscriptions of a connection are unknown: another one starts from scratch. */
function closeUnlessMoved(link: SubscriberLink, error: unknown): void {
  if (!(error instanceof Error && error.message.startsWith("MOVED "))) link.close();
}
