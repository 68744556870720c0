import { EventEmitter } from "node:events";
import { createShardedAdapter } from "@socket.io/redis-adapter";
import type { ServerOptions } from "socket.io";
import { parseRedisUrl } from "../config/redis-address.ts";
import type { Logger } from "../kernel/log.ts";
import { RedisConnection } from "../redis/connection.ts";
import type { KeySpace } from "../redis/key-space.ts";
import { RedisSubscriptions } from "../redis/subscriptions.ts";
import { ANSWERED } from "./peers.ts";

/** Rarer than for streams: no guarantee depends on these messages. */
const BEAT_MS = 5_000;

/** A method that an adapter may override, though its type is protected. */
interface Responding {
  onResponse(response: { data?: { packet?: unknown } }): void;
}

/**
 * Socket.IO's sharded adapter, through which nodes query each other's connections. It uses separate Redis connections, so
 * that its messages delay no publication, and its failures affect nothing else.
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
      emitAnswers(adapter, adapter as unknown as Responding);
      return adapter;
    };
  }

  /** Connects. Throws `ConfigError` if Redis can't be reached. */
  static async open(url: string, keys: KeySpace, log: Logger): Promise<SocketAdapter> {
    const redis = await RedisConnection.open({ url, keys, log });
    // Channels ignore Redis' numbered databases: hubs in different ones must not receive each other's questions.
    return new SocketAdapter(redis, keys.key(`sockets:${parseRedisUrl(url).db}`, "adapter"), log);
  }

  async close(): Promise<void> {
    this.#subscriptions.close();
    await this.#redis.close();
  }
}

function emitAnswers(emitter: EventEmitter, adapter: Responding): void {
  const take = adapter.onResponse.bind(adapter);
  adapter.onResponse = (response) => {
    emitter.emit(ANSWERED, response.data?.packet);
    take(response);
  };
}

/**
 * The adapter's Redis client. The adapter neither catches rejected commands nor subscribes again. So here its calls never
 * reject, wanted channels are subscribed again automatically, and every command has a time limit.
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
    this.#subscribed(channel).catch(() => undefined);
  }

  sunsubscribe(channel: string): void {
    this.#wanted.delete(channel);
    this.#subscriptions.unsubscribe(channel);
  }

  /** The adapter catches rejections of this method. */
  spublish(channel: string, message: string | Uint8Array): Promise<unknown> {
    return this.#redis.command("SPUBLISH", channel, Buffer.from(message));
  }

  /** PUBSUB SHARDNUMSUB: the number of nodes that receive a channel. This node must be among them to receive the answers. */
  send_command(
    name: string,
    [part = "", channel = ""]: string[],
    done: (error: unknown, reply?: unknown) => void,
  ): void {
    const count = async () => {
      await Promise.all([...this.#wanted].map((wanted) => this.#subscribed(wanted)));
      // In a cluster only the slot's node knows the subscribers.
      const replies = (await this.#redis.everywhere(name, part, channel)) as [string, number][];
      return replies.reduce((sum, [, subscribers]) => sum + Number(subscribers), 0);
    };
    count().then((sum) => done(null, [channel, sum]), done);
  }

  /** Resolves when the channel is subscribed, which lasts. */
  #subscribed(channel: string): Promise<void> {
    return this.#subscriptions.subscribe(channel, {
      message: (_, text) => this.#receive(channel, text),
      confirmed: () => undefined,
      released: () => undefined,
    });
  }

  #receive(channel: string, text: string): void {
    try {
      this.emit("smessageBuffer", Buffer.from(channel), Buffer.from(text));
    } catch (error) {
      this.#log.warn({ err: error }, "a message between nodes could not be parsed");
    }
  }
}
