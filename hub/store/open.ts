import { join } from "node:path";
import { ConfigError, type HubConfig } from "../config.ts";
import type { Logger } from "../log.ts";
import { startEmbeddedPostgres } from "./embedded.ts";
import { assertCurrentSchema, migrate } from "./migrate.ts";
import { type ConnectionOptions, Database } from "./postgres.ts";

/** The hub's database and what it takes to let go of it. */
export interface Store {
  database: Database;
  close(): Promise<void>;
}

/**
 * The database of DATABASE_URL, which must have the current schema, or the embedded one, which is brought to it; `shared`:
 * the embedded one, which another process runs.
 */
export async function openStore(config: HubConfig, log: Logger, shared?: ConnectionOptions): Promise<Store> {
  const { url, timeoutMs, poolSize } = config.database;
  const times = { max: poolSize, statementTimeoutMs: timeoutMs, connectTimeoutMs: timeoutMs };
  const there = url === null ? shared : { url };
  if (there) {
    const database = new Database({ ...there, ...times });
    await closingOnFault(database, () => reached(assertCurrentSchema(database.unlimited)));
    return { database, close: () => database.close() };
  }
  const server = await startEmbeddedPostgres({ dataDir: join(config.dataDir, "postgres"), log });
  const database = new Database({ ...server.connection, ...times });
  const close = async () => {
    await database.close();
    await server.stop();
  };
  await closingOnFault({ close }, () => migrate(database.unlimited));
  return { database, close };
}

/** Lets nothing be left running by a hub that does not come up. */
async function closingOnFault(opened: { close(): Promise<void> }, work: () => Promise<unknown>): Promise<void> {
  try {
    await work();
  } catch (error) {
    await opened.close();
    throw error;
  }
}

/** The address holds a password, and is never part of what is told. */
async function reached(asked: Promise<unknown>): Promise<void> {
  try {
    await asked;
  } catch (error) {
    if (!(error instanceof Error) || "remedy" in error) throw error;
    const code = "code" in error ? String(error.code) : error.name;
    const remedy = "Start that server, or set the address, user, password and database that are right";
    throw new ConfigError([
      { variable: "DATABASE_URL", problem: `its database can't be used (${code}: ${error.message})`, remedy },
    ]);
  }
}
