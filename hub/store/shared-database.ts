import { join } from "node:path";
import type { HubConfig } from "../config/config.ts";
import { makeDataDir } from "../config/data-dir.ts";
import type { Logger } from "../kernel/log.ts";
import { type ConnectionOptions, Database } from "./database.ts";
import { startEmbeddedPostgres } from "./embedded.ts";
import { migrate } from "./migrate.ts";

/** A database for several processes: one of them runs it, the others get its address. */
export interface SharedDatabase {
  connection: ConnectionOptions;
  close(): Promise<void>;
}

/** Connections of a process besides its pool: for LISTEN, for its lock, at its start, and for inspection. */
const OTHER_CONNECTIONS = 5;
const MIN_CONNECTIONS = 50;

/** Starts the embedded database of several hub processes and brings it to the current schema; null: DATABASE_URL is set. */
export async function startSharedDatabase(config: HubConfig, log: Logger): Promise<SharedDatabase | null> {
  const { url, poolSize, timeoutMs } = config.database;
  if (url !== null) return null;
  await makeDataDir(config.dataDir);
  // One process more than configured: a process is replaced once the next one serves.
  const needed = (config.processes + 1) * (poolSize + OTHER_CONNECTIONS);
  const maxConnections = Math.max(MIN_CONNECTIONS, needed);
  const embeddedDir = join(config.dataDir, "postgres");
  const server = await startEmbeddedPostgres({ dataDir: embeddedDir, log, maxConnections });
  const database = new Database({
    ...server.connection,
    max: 1,
    statementTimeoutMs: timeoutMs,
    connectTimeoutMs: timeoutMs,
  });
  try {
    await migrate(database.unlimited, { embeddedDir });
  } catch (error) {
    await server.stop();
    throw error;
  } finally {
    await database.close();
  }
  return { connection: server.connection, close: () => server.stop() };
}
