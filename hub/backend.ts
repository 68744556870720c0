import { type Broker, IDEMPOTENCY_TTL_MS, type Retention } from "./broker/broker.ts";
import { MemoryBroker } from "./broker/memory.ts";
import { RedisBroker } from "./broker/redis.ts";
import type { HubConfig } from "./config.ts";
import { SocketAdapter } from "./connections/socket-adapter.ts";
import type { Logger } from "./log.ts";
import { MemoryPresence } from "./presence/memory.ts";
import type { PresenceStore, SharedPresenceEvents } from "./presence/presence.ts";
import { RedisPresence } from "./presence/redis.ts";
import { checkRedis } from "./redis/checks.ts";
import { RedisConnection } from "./redis/connection.ts";
import { MarkerKeeper } from "./redis/marker.ts";
import { RedisSubscriptions } from "./redis/subscriptions.ts";

/** What differs between a node that is alone and one of several. */
export interface Backend {
  broker: Broker;
  presence: PresenceStore;
  /** By which nodes ask each other; null: Socket.IO's own, which knows of no other node. */
  adapter: SocketAdapter["create"] | null;
  /** How long the broker remembers the ids of the change feed. */
  feedRememberMs: number;
  /** Why it can't be relied on now, by part; empty: it can. */
  faults(): Promise<Record<string, string>>;
  /** After broker and presence were closed. */
  close(): Promise<void>;
}

export interface BackendOptions {
  config: HubConfig;
  nodeId: string;
  retention(channel: string): Retention;
  events: SharedPresenceEvents;
  log: Logger;
}

const HOUR_MS = 3_600_000;

/** In this process alone, or in the Redis of REDIS_URL. Throws `ConfigError` where that can't be used. */
export function openBackend(options: BackendOptions): Promise<Backend> {
  const { redis } = options.config;
  return redis === null ? openAlone(options) : openShared(options, redis.url);
}

async function openAlone({ config, nodeId, retention, events }: BackendOptions): Promise<Backend> {
  const { positionTtlMs } = config.history;
  return {
    broker: new MemoryBroker({ retention, positionTtlMs }),
    presence: new MemoryPresence({ nodeId, graceMs: config.presence.graceMs, events }),
    adapter: null,
    // The streams end with this process, which knows itself what it has published.
    feedRememberMs: 0,
    faults: async () => ({}),
    close: async () => undefined,
  };
}

async function openShared({ config, nodeId, retention, events, log }: BackendOptions, url: string): Promise<Backend> {
  const redis = await RedisConnection.open({ url, log });
  try {
    await checkRedis(redis, log);
    const subscriptions = new RedisSubscriptions(redis);
    const { graceMs, leaseMs } = config.presence;
    const shared = { redis, subscriptions, log };
    const broker = new RedisBroker({ ...shared, retention, positionTtlMs: config.history.positionTtlMs });
    const presence = await RedisPresence.open({ ...shared, nodeId, graceMs, leaseMs, events });
    const adapter = await SocketAdapter.open(url, log);
    const marker = new MarkerKeeper(redis, log);
    return {
      broker,
      presence,
      adapter: adapter.create,
      // Another node takes over what one did not live to forget.
      feedRememberMs: Math.max(HOUR_MS, IDEMPOTENCY_TTL_MS),
      faults: () => faultsOf(redis, marker),
      async close() {
        marker.close();
        subscriptions.close();
        await Promise.all([redis.close(), adapter.close()]);
      },
    };
  } catch (error) {
    await redis.close();
    throw error;
  }
}

async function faultsOf(redis: RedisConnection, { fault }: MarkerKeeper): Promise<Record<string, string>> {
  try {
    await redis.ping();
    return fault === null ? {} : { redis: fault };
  } catch (error) {
    return { redis: error instanceof Error ? error.message : "away" };
  }
}
