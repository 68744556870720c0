import type { Logger } from "../log.ts";
import type { RedisConnection } from "./connection.ts";
import { KEY_PREFIX } from "./scripts.ts";
import { redisFault } from "./url.ts";

/** How keys and messages look. Another number for every change that another version would misread. */
export const SCHEMA_VERSION = 1;
const PROGRAM = "monster-realtime";
const MARKER_KEY = `${KEY_PREFIX}program`;
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

async function checkMarker(redis: RedisConnection): Promise<void> {
  const own = `${PROGRAM} ${SCHEMA_VERSION}`;
  const found = await markerBefore(redis, own);
  if (found === null || found === own) return;
  const [program, version] = found.split(" ");
  if (program !== PROGRAM) {
    const problem = `leads to a Redis in which ${MARKER_KEY} belongs to another program`;
    throw redisFault(problem, "Use another Redis, or another database of it");
  }
  const problem = `leads to a Redis that holds version ${version} of the hub's keys; this hub knows version ${SCHEMA_VERSION}`;
  throw redisFault(problem, "Stop every hub of the other version and empty this database, or use another one");
}

/** Sets the marker where there is none; what was there before. */
async function markerBefore(redis: RedisConnection, own: string): Promise<string | null> {
  try {
    const found = await redis.command("SET", MARKER_KEY, own, "NX", "GET");
    return found === null ? null : String(found);
  } catch (error) {
    // Something that is no text: nobody's but another program's.
    if (error instanceof Error && error.message.startsWith("WRONGTYPE")) return "";
    throw error;
  }
}

function field(report: string, name: string): string {
  return new RegExp(`^${name}:(.*)$`, "m").exec(report)?.[1]?.trim() ?? "";
}
