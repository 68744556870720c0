import type { Logger } from "../log.ts";
import type { RedisConnection } from "./connection.ts";
import { PROGRAM_KEY } from "./key-space.ts";
import { loadScript } from "./scripts.ts";
import { redisFault } from "./url.ts";

/** How a database's keys and messages look. Another number for every change that another version would misread. */
export const SCHEMA_VERSION = 2;
const PROGRAM = "monster-realtime";
/**
 * Stands at the key that every version knows. Hubs of version 1 share their keys with every database: they refuse this
 * text, and are refused. From version 2 on it stays, and versions are told apart by the mark of each database.
 */
const IDENTITIES = `${PROGRAM} 2`;
const OWN = `${PROGRAM} ${SCHEMA_VERSION}`;
const KEEP_MS = 1_000;
/** A hub that does not keep its marks for this long is gone. */
const LIFETIME_MS = 30_000;
const MARK = loadScript(new URL("./lua/", import.meta.url), "mark", [], { whenFull: true });

/**
 * Marks that this version uses the Redis and serves the database, for some seconds. Throws `ConfigError` if a hub of another
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

/** In the slot of the other mark, so that one script holds both. */
function databaseKey({ keys }: RedisConnection): string {
  return keys.key(PROGRAM_KEY, "program");
}

/**
 * Keeps the marks while the hub runs: they go with the data of a Redis that is restarted, and a hub of another version
 * that starts then must find them.
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
      // While Redis is away its marks are as they were.
      if (!(error instanceof Error) || error.name !== "ConfigError") return;
      if (this.#fault === null) this.#log.error(error.message);
      this.#fault = error.message;
    }
  }
}

/** Keeps both marks, or gives what stands there instead. */
async function marksInTheWay(redis: RedisConnection): Promise<readonly [program: string, database: string]> {
  try {
    const found = await redis.run(MARK, [PROGRAM_KEY, databaseKey(redis)], [IDENTITIES, OWN, LIFETIME_MS]);
    const [program = "", database = ""] = found as string[];
    return [program, database];
  } catch (error) {
    // Something that is no text: only another program puts it there.
    if (error instanceof Error && error.message.includes("WRONGTYPE")) return ["something else", ""];
    throw error;
  }
}
