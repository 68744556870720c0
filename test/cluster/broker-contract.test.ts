import { type BrokerLimits, brokerContract } from "../contract/broker.ts";
import { hasRedis, RedisCluster, RedisServer } from "../support/redis.ts";
import { suite } from "../support/suite.ts";
import { age, brokerOn } from "./redis-broker.ts";

/** A third of a position's life: how often a broker keeps positions alive. */
const TOUCHES = 3;

async function under(url: string, servers: readonly RedisServer[], limits: BrokerLimits) {
  const { broker, redis, close } = await brokerOn(url, limits);
  const advance = async (ms: number) => {
    const step = Math.floor(limits.positionTtlMs / TOUCHES);
    for (let left = ms; left > 0; left -= step) {
      // Its answer comes behind those of all commands before.
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

if (hasRedis) {
  const server = await RedisServer.start();
  const cluster = await RedisCluster.start();
  for (const one of [server, ...cluster.servers]) one.unref();
  brokerContract("Redis", (limits) => under(server.url, [server], limits));
  brokerContract("Redis Cluster", (limits) => under(cluster.url, cluster.servers, limits));
} else {
  const test = suite("broker contract: Redis");
  test.skip("all of it", "there is no redis-server");
  test.run();
}
