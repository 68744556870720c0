import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import postgres, { type Sql } from "postgres";
import { startEmbeddedPostgres } from "../../../hub/store/embedded.ts";
import { migrate } from "../../../hub/store/migrate.ts";
import { keep, release } from "./kept.ts";

/** The embedded Postgres with pg_stat_statements loaded, on a temporary folder. */
export interface RunningPostgres {
  /** Connected to the server's default database, where nothing is measured. */
  admin: Sql;
  connect(database: string): Sql;
  /** The environment of a server that uses `database` and leaves no files behind. */
  environmentOf(database: string): Record<string, string>;
  /** Creates a database of the current schema. */
  migratedDatabase(name: string): Promise<void>;
  stop(): Promise<void>;
}

export async function startPostgres(): Promise<RunningPostgres> {
  const folder = await mkdtemp(join(tmpdir(), "monster-bench-"));
  const dataDir = join(folder, "postgres");
  await loadStatistics(dataDir);
  const server = await startEmbeddedPostgres({ dataDir });
  const { pid } = server;
  keep({ pid, signal: "SIGQUIT", folder });
  const { socketDir: host, user, database: own } = server.connection;
  const connect = (database: string) => postgres({ host, user, database, max: 1, onnotice: () => undefined });
  const admin = connect(own);
  return {
    admin,
    connect,
    // A URL's host can't contain a Unix socket's folder: postgres.js reads it from PGHOST.
    environmentOf: (database) => ({
      DATABASE_URL: `postgres:///${database}`,
      PGHOST: host,
      PGUSER: user,
      DATA_DIR: join(folder, "data"),
    }),
    async migratedDatabase(name) {
      await admin.unsafe(`CREATE DATABASE ${name}`);
      const sql = connect(name);
      await migrate(sql, { embeddedDir: null });
      await sql.end();
    },
    async stop() {
      await admin.end();
      await server.stop();
      release(pid);
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** The library is loaded only at the server's start, so a first, short run sets it. */
async function loadStatistics(dataDir: string): Promise<void> {
  const server = await startEmbeddedPostgres({ dataDir });
  const { pid } = server;
  keep({ pid, signal: "SIGQUIT", folder: dataDir });
  const { socketDir: host, user, database } = server.connection;
  const sql = postgres({ host, user, database, max: 1 });
  await sql`ALTER SYSTEM SET shared_preload_libraries = 'pg_stat_statements'`;
  await sql.end();
  await server.stop();
  release(pid);
}
