import { join } from "node:path";
import type { HubConfig } from "../config.ts";
import type { Logger } from "../log.ts";
import { startEmbeddedPostgres } from "./embedded.ts";
import { assertCurrentSchema, migrate } from "./migrate.ts";
import { Database } from "./postgres.ts";

/** The hub's database and what it takes to let go of it. */
export interface Store {
  database: Database;
  close(): Promise<void>;
}

/** The database of DATABASE_URL, which must have the current schema, or the embedded one, which is brought to it. */
export async function openStore(config: HubConfig, log: Logger): Promise<Store> {
  const { url, timeoutMs, poolSize } = config.database;
  const times = { max: poolSize, statementTimeoutMs: timeoutMs, connectTimeoutMs: timeoutMs };
  if (url !== null) {
    const database = new Database({ url, ...times });
    await assertCurrentSchema(database.unlimited);
    return { database, close: () => database.close() };
  }
  const server = await startEmbeddedPostgres({ dataDir: join(config.dataDir, "postgres"), log });
  const database = new Database({ ...server.connection, ...times });
  await migrate(database.unlimited);
  return {
    database,
    async close() {
      await database.close();
      await server.stop();
    },
  };
}
