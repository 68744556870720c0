import { randomInt } from "node:crypto";
import { ConfigError, type HubConfig } from "../config/config.ts";
import type { Logger } from "../kernel/log.ts";
import { type ConnectionOptions, connectTo, type Database } from "../store/database.ts";
import { detectPooler } from "../store/pooler.ts";
import { ServingKeeper } from "./serving-keeper.ts";
import { ServingSession } from "./serving-session.ts";

export interface OpenServingOptions {
  config: HubConfig;
  database: Database;
  nodeId: string;
  log: Logger;
}

/** The keeper of this hub's lock, not started yet. Throws `ConfigError` if its connection can't keep a lock. */
export async function openServing(options: OpenServingOptions): Promise<ServingKeeper> {
  const { config, database, nodeId, log } = options;
  const connection = directConnection(config, database);
  const connectTimeoutMs = config.database.timeoutMs;
  await checkDirect(connection, options);
  const withRedis = config.redis !== null;
  const open = (onLost: () => void) => ServingSession.open({ connection, connectTimeoutMs, nodeId, withRedis, onLost });
  return new ServingKeeper({ withRedis, open, log });
}

/** The address of Postgres without a pooler. */
export function directConnection({ database: { directUrl } }: HubConfig, database: Database): ConnectionOptions {
  return directUrl === null ? database.connection : { url: directUrl };
}

async function checkDirect(connection: ConnectionOptions, { config, database }: OpenServingOptions): Promise<void> {
  const { directUrl, timeoutMs } = config.database;
  const variable = directUrl === null ? "DATABASE_URL" : "DATABASE_DIRECT_URL";
  const { kind } = await reached(variable, detectPooler(connection, timeoutMs));
  if (kind === "transaction") {
    const problem =
      "leads through a pooler in transaction mode, which keeps no session: neither the lock that lets one hub serve, nor LISTEN";
    const remedy = "Set DATABASE_DIRECT_URL to the address of Postgres itself; DATABASE_URL may stay as it is";
    throw new ConfigError([{ variable, problem, remedy }]);
  }
  if (directUrl === null || (await reached(variable, isSameDatabase(connection, database, timeoutMs)))) return;
  const remedy = "Set both to the same server and database";
  throw new ConfigError([{ variable, problem: "leads to another database than DATABASE_URL", remedy }]);
}

/** Tests whether a lock that one of them holds is visible to the other. */
async function isSameDatabase(direct: ConnectionOptions, database: Database, timeoutMs: number): Promise<boolean> {
  const [high, low] = [randomInt(2 ** 31), randomInt(2 ** 31)];
  const sql = connectTo(direct, { max: 1, connect_timeout: timeoutMs / 1000 });
  try {
    await sql`SELECT pg_advisory_lock(${high}::int, ${low}::int)`;
    const seen = await database.query(
      (pooled) => pooled`SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND classid::bigint = ${high}::bigint
        AND objid::bigint = ${low}::bigint AND objsubid = 2
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`,
    );
    return seen.length > 0;
  } finally {
    await sql.end({ timeout: 1 });
  }
}

/** The address holds a password, so the message never contains it. */
async function reached<Result>(variable: string, asked: Promise<Result>): Promise<Result> {
  try {
    return await asked;
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    const code = "code" in error ? String(error.code) : error.name;
    const problem = `its database can't be used (${code}: ${error.message})`;
    throw new ConfigError([{ variable, problem, remedy: "Start that server, or set the right address" }]);
  }
}
