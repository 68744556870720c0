import { redisFault } from "../config/redis-address.ts";
import type { Logger } from "../kernel/log.ts";
import type { RedisConnection } from "./connection.ts";
import { PROGRAM_KEY } from "./key-space.ts";
import { loadScript } from "./scripts.ts";

/** The version of a database's keys and messages. Increment it for every change that another version would misread. */
export const SCHEMA_VERSION = 3;
const PROGRAM = "monster-realtime";
/**
 * The text at the key that every version knows. Hubs of version 1 share their keys among all databases: they reject this
 * text, and are rejected. It stays constant from version 2 on; the mark of each database distinguishes later versions.
 */
const IDENTITIES = `${PROGRAM} 2`;
const OWN = `${PROGRAM} ${SCHEMA_VERSION}`;
const KEEP_MS = 1_000;
/** A hub that does not renew its marks for this long has ended. */
const LIFETIME_MS = 30_000;
const MARK = loadScript(new URL("./lua/", import.meta.url), "mark", [], { whenFull: true });

/**
 * Marks for some seconds that this version uses the Redis and serves the database. Throws `ConfigError` if a hub of another
 * version or another program holds either mark.
 */
export async function checkMarker(redis: RedisConnection): Promise<void> {
  const [program, database] = await marksInTheWay(redis);
  if (program !== "") throw fault(program, PROGRAM_KEY, "2 or newer");
  if (database !== "") throw fault(database, databaseKey(redis), String(SCHEMA_VERSION));
}

function fault(found: string, key: string, known: string): Error {
  const [program, version] = found.split(" ");
  if (program !== PROGRAM) {
    const problem = `leads to a Redis in which ${key} belongs to another program`;
    return redisFault(problem, "Use another Redis, or another database of it");
  }
  const problem = `leads to a Redis that holds version ${version} of the hub's keys; this hub knows version ${known}`;
  return redisFault(
    problem,
    `Stop every hub of the other version, and then remove its mark (\`DEL ${key}\`), or use another Redis`,
  );
}

/** In the slot of the other mark, so that one script renews both. */
function databaseKey({ keys }: RedisConnection): string {
  return keys.key(PROGRAM_KEY, "program");
}

/**
 * Renews the marks while the hub runs: a restarted Redis loses them with its data, and a hub of another version that starts
 * then must find them.
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

  /** The error if another version or program has replaced a mark, or null. */
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
      // While Redis is unavailable, its marks are assumed unchanged.
      if (!(error instanceof Error) || error.name !== "ConfigError") return;
      if (this.#fault === null) this.#log.error(error.message);
      this.#fault = error.message;
    }
  }
}

/** Renews both marks, or returns the marks that stand in their place. */
async function marksInTheWay(redis: RedisConnection): Promise<readonly [program: string, database: string]> {
  try {
    const found = await redis.run(MARK, [PROGRAM_KEY, databaseKey(redis)], [IDENTITIES, OWN, LIFETIME_MS]);
    const [program = "", database = ""] = found as string[];
    return [program, database];
  } catch (error) {
    // A value that is no text: another program wrote it.
    if (error instanceof Error && error.message.includes("WRONGTYPE")) return ["something else", ""];
    throw error;
  }
}
