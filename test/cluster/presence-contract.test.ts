import { presenceContract } from "../contract/presence.ts";
import { RedisCluster, RedisServer } from "../support/redis.ts";
import { presenceOn } from "./redis-presence.ts";

/** Empty Redis servers, one for each store under test at the same time. */
class Pool {
  readonly #free: { url: string; servers: readonly RedisServer[] }[] = [];
  readonly #start: () => Promise<{ url: string; servers: readonly RedisServer[] }>;

  constructor(start: () => Promise<{ url: string; servers: readonly RedisServer[] }>) {
    this.#start = start;
  }

  async make(graceMs: number, diffWindowMs?: number) {
    const redis = this.#free.pop() ?? (await this.#start());
    for (const server of redis.servers) await server.admin.flushall();
    // No settle time is needed: there were no earlier nodes.
    const window = diffWindowMs === undefined ? {} : { diffWindowMs };
    const node = await presenceOn(redis.url, { graceMs, settleMs: 0, ...window });
    const close = async () => {
      await node.close();
      this.#free.push(redis);
      for (const server of redis.servers) server.unref();
    };
    return { ...node, close };
  }
}

const single = new Pool(async () => {
  const server = await RedisServer.start();
  return { url: server.url, servers: [server] };
});
const cluster = new Pool(() => RedisCluster.start());
presenceContract("Redis", (graceMs, diffWindowMs) => single.make(graceMs, diffWindowMs), "redis-server");
presenceContract("Redis Cluster", (graceMs, diffWindowMs) => cluster.make(graceMs, diffWindowMs), "redis-server");
