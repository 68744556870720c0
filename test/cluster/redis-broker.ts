import { pino } from "pino";
import type { BrokerPublish, EncodedPublication } from "../../hub/broker/broker.ts";
import { RedisBroker } from "../../hub/broker/redis.ts";
import { RedisConnection } from "../../hub/redis/connection.ts";
import { KeySpace } from "../../hub/redis/key-space.ts";
import { RedisSubscriptions } from "../../hub/redis/subscriptions.ts";
import type { RedisServer } from "../support/redis.ts";

export const CHANNEL = "task:task_01HZZZZZZZZZZZZZZZZZZZZZZZ";
/** The identity of the brokers' database. */
export const IDENTITY = "brokers0";
const DEFAULTS = {
  historySize: 1_000,
  historyTtlMs: 60_000,
  positionTtlMs: 120_000,
  beatMs: 2_000,
  identity: IDENTITY,
};

/** A node's broker with separate connections. */
export interface BrokerNode {
  broker: RedisBroker;
  redis: RedisConnection;
  close(): Promise<void>;
}

export async function brokerOn(url: string, options: Partial<typeof DEFAULTS> = {}): Promise<BrokerNode> {
  const { historySize, historyTtlMs, positionTtlMs, beatMs, identity } = { ...DEFAULTS, ...options };
  const log = pino({ level: "silent" });
  const redis = await RedisConnection.open({ url, keys: new KeySpace(identity), log });
  const subscriptions = new RedisSubscriptions(redis, { beatMs });
  const retention = () => ({ size: historySize, ttlMs: historyTtlMs });
  const broker = new RedisBroker({ redis, subscriptions, retention, positionTtlMs, log });
  const close = async () => {
    await broker.close();
    subscriptions.close();
    await redis.close();
  };
  return { broker, redis, close };
}

/** Runs `body` with a broker on each address, and closes them. */
export async function withBrokers(
  urls: readonly [near: string, far: string],
  body: (near: BrokerNode, far: BrokerNode) => Promise<void>,
  options: Partial<typeof DEFAULTS> = {},
): Promise<void> {
  const near = await brokerOn(urls[0], options);
  const far = await brokerOn(urls[1]);
  try {
    await body(near, far);
  } finally {
    await Promise.all([near.close(), far.close()]);
  }
}

export function message(id: string, more: Partial<BrokerPublish> = {}): BrokerPublish {
  const base = { channel: CHANNEL, publisher: "user:a", id, type: "note", payloadJson: JSON.stringify({ id }) };
  return { ...base, from: { userId: "a" }, ephemeral: false, ...more };
}

/** A listener that records publications and losses. */
export function recorder() {
  const received: EncodedPublication[] = [];
  const lost: string[] = [];
  return {
    received,
    /** The channels that were reported as lost. */
    losses: lost,
    offsets: () => received.map(({ offset }) => offset),
    publication: (_: string, publication: EncodedPublication) => void received.push(publication),
    lost: (channel: string) => void lost.push(channel),
  };
}

/** Ages everything in a Redis, as if its clock had advanced. */
export async function age({ admin }: RedisServer, ms: number): Promise<void> {
  for (const key of await admin.keys("*")) {
    const left = await admin.pttl(key);
    if ((await admin.type(key)) === "stream") {
      const entries = await admin.xrange(key, "-", "+");
      await admin.del(key);
      for (const [id, fields] of entries) await admin.xadd(key, aged(id, ms), ...fields);
    } else if (await admin.hexists(key, "at").catch(() => 0)) {
      await admin.hincrby(key, "at", -ms);
    }
    if (left >= 0) await admin.pexpire(key, Math.max(left - ms, 0));
  }
}

function aged(id: string, ms: number): string {
  const [offset, time] = id.split("-");
  return `${offset}-${Number(time) - ms}`;
}

/** The code of the error that rejects `work`. */
export async function codeOf(work: Promise<unknown>): Promise<unknown> {
  return work.then(
    () => "nothing was thrown",
    (error: { code?: unknown }) => error.code,
  );
}
