import { join } from "node:path";
import { ConfigError, type HubConfig } from "../config/config.ts";
import type { Logger } from "../kernel/log.ts";
import { type ConnectionOptions, Database } from "./database.ts";
import { startEmbeddedPostgres } from "./embedded.ts";
import { advise, openExternal } from "./external-database.ts";
import { assertCurrentSchema, migrate } from "./migrate.ts";
import { assertRoleRights } from "./role-rights.ts";

/** The hub's database, and how to close it. */
export interface Store {
  database: Database;
  close(): Promise<void>;
}

/**
 * Opens the database of DATABASE_URL, which must have the current schema, or the embedded one, which is migrated to it.
 * `shared`: the embedded database that another process runs.
 */
export async function openStore(config: HubConfig, log: Logger, shared?: ConnectionOptions): Promise<Store> {
  const { url, timeoutMs, poolSize } = config.database;
  const times = { max: poolSize, statementTimeoutMs: timeoutMs, connectTimeoutMs: timeoutMs };
  const embeddedDir = join(config.dataDir, "postgres");
  if (url !== null) {
    const external = await reached(openExternal({ url, ...times }));
    const checked = async () => {
      await assertRoleRights(external.database.unlimited);
      await assertCurrentSchema(external.database.unlimited, null);
      await advise(external, timeoutMs, log);
    };
    return checkedStore(external.database, () => reached(checked()));
  }
  if (shared) {
    const database = new Database({ ...shared, ...times });
    return checkedStore(database, () => assertCurrentSchema(database.unlimited, embeddedDir));
  }
  const server = await startEmbeddedPostgres({ dataDir: embeddedDir, log });
  const database = new Database({ ...server.connection, ...times });
  const close = async () => {
    await database.close();
    await server.stop();
  };
  await closingOnFault({ close }, () => migrate(database.unlimited, { embeddedDir }));
  return { database, close };
}

async function checkedStore(database: Database, check: () => Promise<void>): Promise<Store> {
  const store = { database, close: () => database.close() };
  await closingOnFault(store, check);
  return store;
}

/** Closes what was opened if the hub fails to start. */
async function closingOnFault(opened: { close(): Promise<void> }, work: () => Promise<unknown>): Promise<void> {
  try {
    await work();
  } catch (error) {
    await opened.close();
    throw error;
  }
}

/** The address holds a password, so messages never contain it. */
async function reached<Result>(asked: Promise<Result>): Promise<Result> {
  try {
    return await asked;
  } catch (error) {
    if (!(error instanceof Error) || error instanceof ConfigError || "remedy" in error) throw error;
    const code = "code" in error ? String(error.code) : error.name;
    const remedy = "Start that server, or correct the address, user, password and database";
    throw new ConfigError([
      { variable: "DATABASE_URL", problem: `its database can't be used (${code}: ${error.message})`, remedy },
    ]);
  }
}
