import { redisFault } from "../config/redis-address.ts";
import type { Logger } from "../kernel/log.ts";
import type { RedisConnection } from "./connection.ts";
import { isDenied, startFault } from "./faults.ts";
import { PROGRAM_KEY } from "./key-space.ts";
import { checkMarker } from "./marker.ts";
import { rightsFault } from "./rights.ts";
import { checkRights } from "./rights-check.ts";

const OLDEST_MAJOR = 7;

/**
 * Rejects, with `ConfigError`, a Redis that can't fulfil the hub's guarantees: one older than 7, which has no sharded
 * channels; one that evicts keys; one that denies the hub's user a right, or accepts no writes; one whose keys belong to
 * another program or another version of the hub.
 */
export async function checkRedis(redis: RedisConnection, log: Logger): Promise<void> {
  try {
    const reports = await redis.everywhere("INFO").catch(deniedFor(redis, { commands: ["info"] }));
    for (const report of reports) checkServer(String(report));
    await checkRights(redis);
    // All other rights are granted.
    await checkMarker(redis).catch(deniedFor(redis, { key: PROGRAM_KEY }));
  } catch (error) {
    throw startFault(error);
  }
  if (!redis.guarded)
    log.warn("This Redis requires no password: any client that reaches it can read and write everything");
}

/** Rethrows a denial by Redis as the lack of these rights, and any other error unchanged. */
function deniedFor(redis: RedisConnection, lacking: { commands?: string[]; key?: string }): (error: unknown) => never {
  return (error) => {
    throw isDenied(error) ? rightsFault(redis, lacking) : error;
  };
}

function checkServer(report: string): void {
  const version = field(report, "redis_version");
  if (Number.parseInt(version, 10) < OLDEST_MAJOR) {
    throw redisFault(`leads to Redis ${version}, which has no sharded channels`, `Use Redis ${OLDEST_MAJOR} or newer`);
  }
  // Policies that evict only keys with a lifetime are as bad: streams and presence have one.
  const policy = field(report, "maxmemory_policy");
  if (policy !== "noeviction") {
    const remedy = "Set maxmemory-policy to noeviction, and give Redis the memory it needs";
    throw redisFault(
      `leads to a Redis that evicts keys when memory is short (${policy || "no policy is shown"})`,
      remedy,
    );
  }
}

function field(report: string, name: string): string {
  return new RegExp(`^${name}:(.*)$`, "m").exec(report)?.[1]?.trim() ?? "";
}
