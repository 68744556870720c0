import type { HistoryReply, PublishReply, StreamPosition } from "@monster-realtime/client/protocol";
import { ChannelFollower, type Tail } from "../kernel/channel-follower.ts";
import { newId } from "../kernel/ids.ts";
import type { Logger } from "../kernel/log.ts";
import type { RedisArgument, RedisConnection } from "../redis/connection.ts";
import { loadScript, type Script } from "../redis/scripts.ts";
import type { RedisSubscriptions } from "../redis/subscriptions.ts";
import {
  type Broker,
  type BrokerPublish,
  type EncodedPublication,
  type HistoryQuery,
  IDEMPOTENCY_TTL_MS,
  type Recovery,
  type Retention,
  type StreamListener,
} from "./broker.ts";
import { fingerprintOf, isSameContent } from "./content.ts";
import { decode, encodeTail, otherContent, otherEpoch } from "./encoding.ts";
import { parseMessage } from "./stream-message.ts";

export interface RedisBrokerOptions {
  redis: RedisConnection;
  subscriptions: RedisSubscriptions;
  retention(channel: string): Retention;
  /** How long a position outlives the channel's last use. */
  positionTtlMs: number;
  log: Logger;
}

/** A channel with subscribers on this node, or with some a moment ago. */
interface Followed {
  channel: string;
  follower: ChannelFollower<EncodedPublication>;
  listener: StreamListener | null;
}

const LUA = new URL("./lua/", import.meta.url);
const PUBLISH = loadScript(LUA, "publish", ["stream"]);
const RECOVER = loadScript(LUA, "recover", ["stream"], { whenFull: true });
const HISTORY = loadScript(LUA, "history", ["stream"], { whenFull: true });

/** A larger gap is not filled: the subscribers' own recovery allows less. */
const CATCH_UP_BYTES = 8 * 1024 * 1024;
/** How often in their lifetime the positions of subscribed channels are renewed. */
const TOUCHES = 3;
/** No stream has this epoch. */
const NOWHERE: StreamPosition = { epoch: "", offset: 0 };

/**
 * The broker of hubs that share a Redis, single or a cluster. Redis stores the streams, and each publication runs one
 * script. Each node follows the channels of its subscribers. An epoch ends with the Redis process that keeps the stream.
 */
export class RedisBroker implements Broker {
  readonly #options: RedisBrokerOptions;
  readonly #followers = new Map<string, Followed>();
  readonly #toucher: NodeJS.Timeout;
  #foreign = 0;

  constructor(options: RedisBrokerOptions) {
    this.#options = options;
    this.#toucher = setInterval(() => void this.touch(), options.positionTtlMs / TOUCHES).unref();
  }

  /** The number of foreign messages on the hub's channels. */
  get foreignMessages(): number {
    return this.#foreign;
  }

  async publish(request: BrokerPublish): Promise<PublishReply> {
    const { channel, publisher, id, ephemeral, rememberMs = IDEMPOTENCY_TTL_MS } = request;
    const { size, ttlMs } = this.#options.retention(channel);
    const keys = [`id:${publisher}\n${id}`, MESSAGES].map((part) => this.#key(channel, part));
    const content = [fingerprintOf(request), ephemeral ? "1" : "0", encodeTail(request)];
    const [outcome, epoch, offset] = (await this.#run(PUBLISH, channel, keys, [
      size,
      ttlMs,
      rememberMs,
      ...content,
    ])) as ["stored" | "duplicate" | "conflict", string, number];
    if (outcome === "stored") return { id, epoch, offset };
    if (outcome === "conflict" && !(await this.#isSame(request, { epoch, offset }))) throw otherContent();
    return { id, epoch, offset, duplicate: true };
  }

  async recover(channel: string, position: StreamPosition, maxBytes: number): Promise<Recovery> {
    const { epoch, offset, messages } = await this.#tail(channel, position, maxBytes);
    await this.#followers.get(channel)?.follower.reach({ epoch, offset });
    return { epoch, offset, publications: messages ? messages.map(({ json }) => decode(json)) : null };
  }

  async history(channel: string, query: HistoryQuery): Promise<HistoryReply> {
    const { epoch: asked = "", after = 0, before = Number.MAX_SAFE_INTEGER, limit, reverse, maxBytes } = query;
    const range = [asked, after, before, limit, reverse ? "1" : "0", maxBytes];
    const [epoch, offset, complete, ...page] = (await this.#run(
      HISTORY,
      channel,
      [],
      [this.#options.retention(channel).ttlMs, ...range],
    )) as [string, number?, number?, ...string[]];
    if (offset === undefined) throw otherEpoch();
    return { epoch, offset, publications: page.map(decode), complete: complete === 1 };
  }

  async subscribe(channel: string, listener: StreamListener): Promise<void> {
    const followed = this.#follow(channel);
    followed.listener = listener;
    try {
      await this.#options.subscriptions.subscribe(this.#key(channel, MESSAGES), {
        message: (_, text) => this.#receive(followed, text),
        confirmed: () => followed.follower.catchUp(),
        released: () => this.#release(followed),
      });
      await followed.follower.ready();
    } catch (error) {
      if (followed.listener === listener) this.unsubscribe(channel);
      throw error;
    }
  }

  unsubscribe(channel: string): void {
    const followed = this.#followers.get(channel);
    if (!followed?.listener) return;
    followed.listener = null;
    this.#options.subscriptions.unsubscribe(this.#key(channel, MESSAGES));
    // The position expires its lifetime from now. While Redis is unavailable there is none to be kept.
    this.#keep(channel).catch(() => undefined);
  }

  /** Removes the publications up to this offset early. Not retried: the rest expires by age. */
  trim(channel: string, offset: number): void {
    const trimmed = this.#options.redis.command("XTRIM", this.#key(channel, LOG), "MINID", "=", `${offset + 1}-0`);
    // The connection logs Redis' rejections.
    trimmed.catch(() => undefined);
  }

  /** Renews the positions of subscribed channels; if one has expired, its stream is read again. */
  async touch(): Promise<void> {
    const touched = [...this.#followers.values()].map(async ({ channel, listener, follower }) => {
      if (listener && !(await this.#keep(channel))) follower.catchUp();
    });
    await Promise.allSettled(touched);
  }

  /** Ends all followers. The owner closes the connections. */
  async close(): Promise<void> {
    clearInterval(this.#toucher);
    for (const { follower } of this.#followers.values()) follower.end();
    this.#followers.clear();
  }

  async #isSame(request: BrokerPublish, { epoch, offset }: StreamPosition): Promise<boolean> {
    const around = { epoch, after: offset - 1, before: offset + 1 };
    const query = { ...around, limit: 1, reverse: false, maxBytes: Number.MAX_SAFE_INTEGER };
    const [first] = (await this.history(request.channel, query)).publications;
    return first !== undefined && isSameContent(first, request);
  }

  #follow(channel: string): Followed {
    const known = this.#followers.get(channel);
    if (known) return known;
    const follower = new ChannelFollower<EncodedPublication>({
      read: (position) => this.#tail(channel, position ?? NOWHERE, CATCH_UP_BYTES),
      deliver: ({ offset, json, ephemeral }) => followed.listener?.publication(channel, { offset, json, ephemeral }),
      reset: (_, isFirst) => {
        if (!isFirst) followed.listener?.lost(channel);
      },
      onForeign: () => this.#countForeign(channel),
    });
    const followed: Followed = { channel, follower, listener: null };
    this.#followers.set(channel, followed);
    return followed;
  }

  #release(followed: Followed): void {
    followed.follower.end();
    if (this.#followers.get(followed.channel) === followed) this.#followers.delete(followed.channel);
  }

  #receive({ channel, follower }: Followed, text: string): void {
    const message = parseMessage(text);
    if (message) follower.message(message);
    else this.#countForeign(channel);
  }

  #countForeign(channel: string): void {
    this.#foreign += 1;
    const advice = "Another program, or another version of the hub, publishes on the hub's Redis channels";
    if (this.#foreign === 1) this.#options.log.warn({ channel }, advice);
  }

  async #keep(channel: string): Promise<boolean> {
    const key = this.#key(channel, META);
    return (await this.#options.redis.command("PEXPIRE", key, this.#options.positionTtlMs)) === 1;
  }

  async #tail(channel: string, { epoch, offset }: StreamPosition, maxBytes: number): Promise<Tail<EncodedPublication>> {
    const asked = [this.#options.retention(channel).ttlMs, epoch, offset, maxBytes];
    const reply = (await this.#run(RECOVER, channel, [], asked)) as [string, number, number, ...string[]];
    const [found, newest, recovered, ...tail] = reply;
    const messages = tail.map((json, index) => ({ offset: offset + 1 + index, json, ephemeral: false }));
    return { epoch: found, offset: newest, messages: recovered === 1 ? messages : null };
  }

  #key(channel: string, part: string): string {
    return this.#options.redis.keys.key(channel, part);
  }

  #run(script: Script, channel: string, keys: string[], args: RedisArgument[]): Promise<unknown> {
    const stream = [this.#key(channel, META), this.#key(channel, LOG)];
    return this.#options.redis.run(script, [...stream, ...keys], [newId(), this.#options.positionTtlMs, ...args]);
  }
}

const META = "meta";
const LOG = "log";
/** The sharded channel of a stream's publications. */
const MESSAGES = "messages";
