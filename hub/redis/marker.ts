import type { Logger } from "../log.ts";
import type { RedisConnection } from "./connection.ts";
import { KEY_PREFIX } from "./scripts.ts";
import { redisFault } from "./url.ts";

/** How keys and messages look. Another number for every change that another version would misread. */
export const SCHEMA_VERSION = 1;
const PROGRAM = "monster-realtime";
const MARKER_KEY = `${KEY_PREFIX}program`;
const OWN = `${PROGRAM} ${SCHEMA_VERSION}`;
const KEEP_MS = 1_000;

/** Marks the keys as this version's where nobody's mark is. Throws `ConfigError` where another's is. */
export async function checkMarker(redis: RedisConnection): Promise<void> {
  const found = await markerBefore(redis);
  if (found === null || found === OWN) return;
  const [program, version] = found.split(" ");
  if (program !== PROGRAM) {
    const problem = `leads to a Redis in which ${MARKER_KEY} belongs to another program`;
    throw redisFault(problem, "Use another Redis, or another database of it");
  }
  const problem = `leads to a Redis that holds version ${version} of the hub's keys; this hub knows version ${SCHEMA_VERSION}`;
  throw redisFault(problem, "Stop every hub of the other version and empty this database, or use another one");
}

/**
 * Keeps the mark while the hub runs: it goes with the data of a Redis that is restarted, and a hub of another version that
 * starts then must find it all the same.
 */
export class MarkerKeeper {
  readonly #redis: RedisConnection;
  readonly #log: Logger;
  readonly #timer: NodeJS.Timeout;
  #fault: string | null = null;

  constructor(redis: RedisConnection, log: Logger) {
    this.#redis = redis;
    this.#log = log;
    this.#timer = setInterval(() => void this.#keep(), KEEP_MS).unref();
  }

  /** That another version or program has put its mark there meanwhile, or null. */
  get fault(): string | null {
    return this.#fault;
  }

  close(): void {
    clearInterval(this.#timer);
  }

  async #keep(): Promise<void> {
    try {
      await checkMarker(this.#redis);
      this.#fault = null;
    } catch (error) {
      // While Redis is away its mark is as it was.
      if (!(error instanceof Error) || error.name !== "ConfigError") return;
      if (this.#fault === null) this.#log.error(error.message);
      this.#fault = error.message;
    }
  }
}

/** Sets the marker where there is none; what was there before. */
async function markerBefore(redis: RedisConnection): Promise<string | null> {
  try {
    const found = await redis.command("SET", MARKER_KEY, OWN, "NX", "GET");
    return found === null ? null : String(found);
  } catch (error) {
    // Something that is no text: nobody's but another program's.
    if (error instanceof Error && error.message.startsWith("WRONGTYPE")) return "";
    throw error;
  }
}
