import type { Logger } from "../log.ts";
import type { RedisConnection } from "./connection.ts";
import { checkMarker } from "./marker.ts";
import { redisFault } from "./url.ts";

const OLDEST_MAJOR = 7;

/**
 * Refuses, with `ConfigError`, a Redis on which promises could not be kept: one older than 7, which has no sharded
 * channels; one that evicts keys; one whose keys belong to another program or another version of this one.
 */
export async function checkRedis(redis: RedisConnection, log: Logger): Promise<void> {
  for (const report of await redis.everywhere("INFO")) checkServer(String(report));
  await checkMarker(redis);
  if (!redis.guarded) log.warn("This Redis asks for no password: whoever reaches it reads and writes everything");
}

function checkServer(report: string): void {
  const version = field(report, "redis_version");
  if (Number.parseInt(version, 10) < OLDEST_MAJOR) {
    throw redisFault(`leads to Redis ${version}, which has no sharded channels`, `Use Redis ${OLDEST_MAJOR} or newer`);
  }
  // Those that evict keys with a lifetime alone are as bad: streams and presence have one.
  const policy = field(report, "maxmemory_policy");
  if (policy !== "noeviction") {
    const remedy = "Set maxmemory-policy to noeviction, and give Redis the memory it needs";
    throw redisFault(`leads to a Redis that throws keys away when memory is short (${policy})`, remedy);
  }
}

function field(report: string, name: string): string {
  return new RegExp(`^${name}:(.*)$`, "m").exec(report)?.[1]?.trim() ?? "";
}
