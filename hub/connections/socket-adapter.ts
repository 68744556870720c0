import { EventEmitter } from "node:events";
import { createShardedAdapter } from "@socket.io/redis-adapter";
import type { ServerOptions } from "socket.io";
import type { Logger } from "../log.ts";
import { RedisConnection } from "../redis/connection.ts";
import type { KeySpace } from "../redis/key-space.ts";

import { RedisSubscriptions } from "../redis/subscriptions.ts";
import { parseRedisUrl } from "../redis/url.ts";
import { ANSWERED } from "./peers.ts";

/** Less often than streams need it: nothing rests on what comes this way. */
const BEAT_MS = 5_000;

/** What an adapter may override, which the types keep to its class. */
interface Responding {
  onResponse(response: { data?: { packet?: unknown } }): void;
}

/**
 * Socket.IO's sharded adapter, by which nodes ask each other about their connections. It has connections of its own, so
 * that whatever it sends keeps no publication waiting, and none of its failures is anybody else's.
 */
export class SocketAdapter {
  /** For Socket.IO's server. */
  readonly create: NonNullable<ServerOptions["adapter"]>;
  readonly #redis: RedisConnection;
  readonly #subscriptions: RedisSubscriptions;

  private constructor(redis: RedisConnection, channelPrefix: string, log: Logger) {
    this.#redis = redis;
    this.#subscriptions = new RedisSubscriptions(redis, { beatMs: BEAT_MS });
    const client = new AdapterClient(redis, this.#subscriptions, log);
    const sharded = createShardedAdapter(client, client, { channelPrefix, subscriptionMode: "static" });
    // Called with `new`.
    this.create = function create(namespace) {
      const adapter = sharded(namespace);
      tellAnswers(adapter, adapter as unknown as Responding);
      return adapter;
    };
  }

  /** Connects. Throws `ConfigError` where Redis can't be reached. */
  static async open(url: string, keys: KeySpace, log: Logger): Promise<SocketAdapter> {
    const redis = await RedisConnection.open({ url, keys, log });
    // Channels know no numbered databases of a Redis: hubs with one each must not receive each other's questions.
    return new SocketAdapter(redis, keys.key(`sockets:${parseRedisUrl(url).db}`, "adapter"), log);
  }

  async close(): Promise<void> {
    this.#subscriptions.close();
    await this.#redis.close();
  }
}

function tellAnswers(emitter: EventEmitter, adapter: Responding): void {
  const take = adapter.onResponse.bind(adapter);
  adapter.onResponse = (response) => {
    emitter.emit(ANSWERED, response.data?.packet);
    take(response);
  };
}

/**
 * What the adapter takes for a Redis client. It forgets to catch what its commands reject with, and to subscribe again:
 * here neither rejects, what it wants is subscribed again by itself, and every command has a time limit.
 */
class AdapterClient extends EventEmitter {
  readonly #redis: RedisConnection;
  readonly #subscriptions: RedisSubscriptions;
  readonly #log: Logger;
  readonly #wanted = new Set<string>();

  constructor(redis: RedisConnection, subscriptions: RedisSubscriptions, log: Logger) {
    super();
    this.#redis = redis;
    this.#subscriptions = subscriptions;
    this.#log = log;
  }

  ssubscribe(channel: string): void {
    this.#wanted.add(channel);
    this.#heard(channel).catch(() => undefined);
  }

  sunsubscribe(channel: string): void {
    this.#wanted.delete(channel);
    this.#subscriptions.unsubscribe(channel);
  }

  /** The adapter catches what this rejects with. */
  spublish(channel: string, message: string | Uint8Array): Promise<unknown> {
    return this.#redis.command("SPUBLISH", channel, Buffer.from(message));
  }

  /** PUBSUB SHARDNUMSUB: how many nodes hear a channel. This one has to be among them, or it would not hear the answers. */
  send_command(
    name: string,
    [part = "", channel = ""]: string[],
    done: (error: unknown, reply?: unknown) => void,
  ): void {
    const count = async () => {
      await Promise.all([...this.#wanted].map((wanted) => this.#heard(wanted)));
      // In a cluster the node that has the slot knows of them, and the others of none.
      const replies = (await this.#redis.everywhere(name, part, channel)) as [string, number][];
      return replies.reduce((sum, [, subscribers]) => sum + Number(subscribers), 0);
    };
    count().then((sum) => done(null, [channel, sum]), done);
  }

  /** Resolves when it is subscribed, which it stays. */
  #heard(channel: string): Promise<void> {
    return this.#subscriptions.subscribe(channel, {
      message: (_, text) => this.#hear(channel, text),
      confirmed: () => undefined,
      released: () => undefined,
    });
  }

  #hear(channel: string, text: string): void {
    try {
      this.emit("smessageBuffer", Buffer.from(channel), Buffer.from(text));
    } catch (error) {
      this.#log.warn({ err: error }, "a message between nodes was not understood");
    }
  }
}
