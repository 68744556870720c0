import { BenchRedis } from "./redis.ts";
import type { ServerProcess } from "./server-process.ts";
import { startHub, startPeer, withServers } from "./servers.ts";

/** Two servers that share a Redis. */
export interface ServerPair {
  /** A: the publishers' server. */
  first: ServerProcess;
  /** B: the other server. */
  second: ServerProcess;
  urls: readonly [string, string];
  redis: BenchRedis;
  /** Seconds of CPU that both have used so far. */
  cpuSeconds(): Promise<number>;
}

/** Runs `body` on two hubs. */
export function withTwoHubs<Result>(
  environment: Record<string, string>,
  body: (pair: ServerPair) => Promise<Result>,
): Promise<Result> {
  return withPair((redisUrl) => startHub({ ...environment, REDIS_URL: redisUrl }), body);
}

/** Runs `body` on two servers of bare Socket.IO with @socket.io/redis-adapter. */
export function withTwoPeers<Result>(
  environment: Record<string, string>,
  body: (pair: ServerPair) => Promise<Result>,
): Promise<Result> {
  return withPair((redisUrl) => startPeer({ ...environment, PEER_REDIS_URL: redisUrl }), body);
}

async function withPair<Result>(
  start: (redisUrl: string) => Promise<ServerProcess>,
  body: (pair: ServerPair) => Promise<Result>,
): Promise<Result> {
  const redis = await BenchRedis.start();
  try {
    return await withServers([start(redis.url), start(redis.url)] as const, (first, second) =>
      body({
        first,
        second,
        urls: [first.url, second.url],
        redis,
        cpuSeconds: async () => (await first.cpuSeconds()) + (await second.cpuSeconds()),
      }),
    );
  } finally {
    await redis.stop();
  }
}
