import type { Channel, PresenceDiff, Roster, StreamPosition } from "@monster-realtime/client/protocol";
import type { Broker, EncodedPublication, StreamListener } from "../broker/broker.ts";
import { HubError, toErrorObject } from "../kernel/errors.ts";
import { type Bound, OrderedMap } from "../kernel/ordered-map.ts";
import type { PresenceStore } from "../presence/presence.ts";
import { DeliveryLog, type Followed } from "./delivery-log.ts";
import { encodeEvent, type Frame } from "./frame.ts";
import { encodeDiff, type Subscription } from "./subscription.ts";

/** A packet ends before it exceeds this, so that a burst of large messages is not one huge write. */
const MAX_PACKET_CHARACTERS = 256 * 1024;

/** One channel's subscribers on this node. */
interface LocalChannel {
  name: Channel;
  live: Set<Subscription>;
  /** Subscriptions whose answers are being prepared: they keep publications that arrive in the meantime. */
  pending: Set<Subscription> | null;
  /** How many of them receive presence. */
  watching: number;
  /** The newest publication delivered to the live subscriptions. */
  position: StreamPosition | null;
  /** The publications of this turn of the event loop. */
  batch: EncodedPublication[];
  /** The broker's confirmation while it is pending. */
  confirmed: Promise<void> | null;
  followed: Followed;
}

export interface FanOutCounters {
  deliveries: number;
  packets: number;
}

/**
 * Delivers publications and presence diffs to the subscribers of this node. Publications of one channel that arrive in one
 * turn of the event loop are sent as one packet, encoded once: the write is the cost of a delivery.
 */
export class FanOut implements StreamListener {
  readonly counters: FanOutCounters = { deliveries: 0, packets: 0 };
  readonly #broker: Broker;
  readonly #presence: PresenceStore;
  readonly #deliveries: DeliveryLog;
  readonly #channels = new OrderedMap<LocalChannel>();
  readonly #dirty = new Set<LocalChannel>();
  #scheduled: NodeJS.Immediate | null = null;

  constructor(broker: Broker, presence: PresenceStore, deliveries = new DeliveryLog()) {
    this.#broker = broker;
    this.#presence = presence;
    this.#deliveries = deliveries;
  }

  get channelCount(): number {
    return this.#channels.size;
  }

  /** The first `count` channels from `bound` on, in the order of their names, with their numbers of live subscriptions. */
  channelsFrom(bound: Bound, count: number): { name: Channel; subscribers: number }[] {
    return this.#channels.from(bound, count).map(([, { name, live }]) => ({ name, subscribers: live.size }));
  }

  /** The live subscriptions of a channel. */
  liveOn(name: string): Iterable<Subscription> {
    return this.#channels.get(name)?.live ?? [];
  }

  /** Adds a pending subscription; resolves when it can't miss any later publication. */
  async add(subscription: Subscription): Promise<void> {
    const channel = this.#open(subscription.name);
    channel.pending ??= new Set();
    channel.pending.add(subscription);
    try {
      await channel.confirmed;
    } catch (error) {
      subscription.end();
      throw error;
    }
  }

  /**
   * Makes the subscription live at `position`, after `answer` was sent with it: with the publications after
   * `recoveredAfter`, or with none if that is null.
   */
  activate(
    subscription: Subscription,
    position: StreamPosition,
    answer: () => void,
    recoveredAfter: number | null = null,
  ): void {
    const channel = this.#open(subscription.name);
    this.#flush(channel);
    answer();
    const missed = subscription.goLive(position.offset);
    dropPending(channel, subscription);
    if (!subscription.ended) channel.live.add(subscription);
    subscription.span = { epoch: position.epoch, recoveredAfter, from: position.offset, since: performance.now() };
    if (channel.followed.epoch !== position.epoch) channel.followed = followedFrom(channel.followed, position.epoch);
    for (const frame of encodePublications(channel.name, missed)) subscription.connection.write(frame);
    const offset = Math.max(position.offset, missed.at(-1)?.offset ?? 0);
    if (channel.position?.epoch !== position.epoch || channel.position.offset < offset) {
      channel.position = { epoch: position.epoch, offset };
    }
  }

  /** The position of a live subscription, after sending it all earlier publications. */
  positionOf(subscription: Subscription): StreamPosition | null {
    const channel = this.#channels.get(subscription.name);
    if (channel) this.#flush(channel);
    return channel?.position ?? null;
  }

  /** Ends a subscription at its client's request: earlier publications still reach it. */
  leave(subscription: Subscription): void {
    const channel = this.#channels.get(subscription.name);
    if (channel) this.#flush(channel);
    this.remove(subscription);
  }

  /** Ends a subscription immediately. */
  remove(subscription: Subscription): void {
    const channel = this.#channels.get(subscription.name);
    if (!channel || !(channel.live.delete(subscription) || dropPending(channel, subscription))) return;
    this.unwatch(subscription);
    subscription.end();
    if (subscription.span) this.#deliveries.end(channel.name, subscription.span, subscription.connection);
    if (channel.live.size > 0 || channel.pending) return;
    this.#channels.delete(channel.name);
    this.#dirty.delete(channel);
    this.#broker.unsubscribe(channel.name);
  }

  /** The roster that every later diff applies to; the subscription keeps diffs until `presenceSent`. */
  async watch(subscription: Subscription): Promise<Roster> {
    const channel = this.#open(subscription.name);
    if (!subscription.wantsPresence) channel.watching += 1;
    subscription.awaitPresence();
    return this.#presence.watch(channel.name, this.#deliverDiff);
  }

  unwatch(subscription: Subscription): void {
    if (!subscription.wantsPresence) return;
    subscription.stopPresence();
    const channel = this.#channels.get(subscription.name);
    if (!channel) return;
    channel.watching -= 1;
    if (channel.watching === 0) this.#presence.unwatch(channel.name, this.#deliverDiff);
  }

  /** Sends a fresh roster to subscriptions that were congested. */
  async catchUp(subscriptions: Iterable<Subscription>): Promise<void> {
    for (const subscription of subscriptions) {
      if (subscription.behind) subscription.catchUp(await this.#presence.watch(subscription.name, this.#deliverDiff));
    }
  }

  publication(name: string, publication: EncodedPublication): void {
    const channel = this.#channels.get(name);
    if (!channel) return;
    for (const subscription of channel.pending ?? []) subscription.keep(publication);
    channel.batch.push(publication);
    this.#dirty.add(channel);
    this.#scheduled ??= setImmediate(() => this.flush());
  }

  lost(name: string): void {
    const channel = this.#channels.get(name);
    if (!channel) return;
    const error = new HubError(
      "stream_lost",
      "The channel's stream lost its continuity. Subscribe again with your position.",
    );
    for (const subscription of [...(channel.pending ?? []), ...channel.live]) {
      subscription.connection.push("unsubscribed", channel.name, toErrorObject(error));
      subscription.connection.subscriptions.delete(channel.name);
      this.remove(subscription);
    }
  }

  /** Sends the batches that wait for the end of this turn. */
  flush(): void {
    if (this.#scheduled) clearImmediate(this.#scheduled);
    this.#scheduled = null;
    for (const channel of this.#dirty) this.#flush(channel);
  }

  #flush(channel: LocalChannel): void {
    this.#dirty.delete(channel);
    if (channel.batch.length === 0) return;
    const { batch } = channel;
    channel.batch = [];
    const frames = encodePublications(channel.name, batch);
    this.counters.deliveries += batch.length * channel.live.size;
    this.counters.packets += frames.length * channel.live.size;
    this.#deliveries.record(channel.followed, batch);
    for (const subscription of channel.live) {
      for (const frame of frames) subscription.connection.write(frame);
    }
    const newest = batch.at(-1)?.offset ?? 0;
    if (channel.position && newest > channel.position.offset)
      channel.position = { ...channel.position, offset: newest };
  }

  readonly #deliverDiff = (name: string, diff: PresenceDiff): void => {
    const channel = this.#channels.get(name);
    if (!channel) return;
    const frame = encodeDiff(channel.name, diff);
    for (const subscription of [...(channel.pending ?? []), ...channel.live]) {
      if (!subscription.wantsPresence) continue;
      this.counters.packets += 1;
      subscription.deliverPresence(diff, frame);
    }
  };

  #open(name: Channel): LocalChannel {
    const known = this.#channels.get(name);
    if (known) return known;
    const confirmed = this.#broker.subscribe(name, this);
    const channel: LocalChannel = {
      name,
      live: new Set(),
      pending: null,
      watching: 0,
      position: null,
      batch: [],
      confirmed,
      followed: { channel: name, epoch: null },
    };
    this.#channels.set(name, channel);
    confirmed.then(
      () => {
        channel.confirmed = null;
      },
      // The waiting callers receive the error; the next subscription asks the broker again.
      () => {
        if (this.#channels.get(name) === channel) this.#channels.delete(name);
      },
    );
    return channel;
  }
}

/** Publications delivered before the first live subscription are of its epoch too: no client has received another. */
function followedFrom(followed: Followed, epoch: string): Followed {
  if (followed.epoch !== null) return { channel: followed.channel, epoch };
  followed.epoch = epoch;
  return followed;
}

/** Most channels have no pending subscription most of the time: then there is no set. */
function dropPending(channel: LocalChannel, subscription: Subscription): boolean {
  const was = channel.pending?.delete(subscription) ?? false;
  if (channel.pending?.size === 0) channel.pending = null;
  return was;
}

function encodePublications(channel: Channel, batch: readonly EncodedPublication[]): Frame[] {
  const name = JSON.stringify(channel);
  const frames: Frame[] = [];
  let part: string[] = [];
  let size = 0;
  const close = () => {
    if (part.length > 0) frames.push(encodeEvent("publications", name, `[${part.join(",")}]`));
    part = [];
    size = 0;
  };
  for (const { json } of batch) {
    if (size + json.length > MAX_PACKET_CHARACTERS) close();
    part.push(json);
    size += json.length;
  }
  close();
  return frames;
}
