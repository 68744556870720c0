import { reused } from "../kernel/reused.ts";
import type { Database } from "../store/postgres.ts";

/** Postgres reads the size of each file, and sizes change slowly: scrapes within this time share one answer. */
const REUSE_MS = 60_000;

/** In bytes on the database's disk, with indexes. */
export interface DatabaseSizes {
  database: number;
  audit: number;
}

/** The database's disk usage; null while the database does not answer, which another metric reports. */
export function databaseSizes(database: Database): () => Promise<DatabaseSizes | null> {
  return reused(async () => {
    try {
      const [sizes] = await database.query(
        (sql) => sql<DatabaseSizes[]>`SELECT pg_database_size(current_database())::float8 AS database,
          pg_total_relation_size('audit_events')::float8 AS audit`,
      );
      return sizes ?? null;
    } catch {
      return null;
    }
  }, REUSE_MS);
}
