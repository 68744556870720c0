import { type BrokerLimits, brokerContract } from "../contract/broker.ts";
import { RedisCluster, RedisServer } from "../support/redis.ts";
import { age, brokerOn } from "./redis-broker.ts";

/** A third of a position's lifetime: the interval at which a broker renews positions. */
const TOUCHES = 3;

async function under(url: string, servers: readonly RedisServer[], limits: BrokerLimits) {
  const { broker, redis, close } = await brokerOn(url, limits);
  const advance = async (ms: number) => {
    const step = Math.floor(limits.positionTtlMs / TOUCHES);
    for (let left = ms; left > 0; left -= step) {
      // Its answer arrives after those of all earlier commands.
      await broker.touch();
      await redis.everywhere("PING");
      await Promise.all(servers.map((server) => age(server, Math.min(left, step))));
    }
  };
  return {
    broker,
    advance,
    close: async () => {
      await close();
      for (const server of servers) await server.admin.flushall();
      for (const server of servers) server.unref();
    },
  };
}

/** Started by the first test, and shared by the whole process. */
let single: Promise<RedisServer> | null = null;
let cluster: Promise<RedisCluster> | null = null;

brokerContract(
  "Redis",
  async (limits) => {
    single ??= RedisServer.start();
    const server = await single;
    return under(server.url, [server], limits);
  },
  "redis-server",
);
brokerContract(
  "Redis Cluster",
  async (limits) => {
    cluster ??= RedisCluster.start();
    const { url, servers } = await cluster;
    return under(url, servers, limits);
  },
  "redis-server",
);
