import { reused } from "../kernel/memoized.ts";
import type { Database } from "../store/database.ts";
import { askForLags, countRefused, type LagRow } from "./feed-queries.ts";

/** Organizations with their own label value: the number of values must not grow with tenants. */
const LABELLED = 5;
/** Scrapes within this time share one query of the queues. */
const LAGS_REUSE_MS = 5_000;

/** Each is null while the database does not answer it; `hub_feed_failing` reports a feed that can't go on. */
export interface FeedState {
  /** The organizations whose changes wait longest. */
  lags: readonly LagRow[] | null;
  /** How many changes are set aside. */
  setAside: number | null;
}

/** The feed's metrics over all nodes. */
export function feedState(database: Database): () => Promise<FeedState> {
  return reused(async () => {
    const [lags, refused] = await Promise.allSettled([
      database.query((sql) => askForLags(sql, null, LABELLED)),
      database.query(countRefused),
    ]);
    return {
      lags: lags.status === "fulfilled" ? lags.value : null,
      setAside: refused.status === "fulfilled" ? (refused.value[0]?.count ?? 0) : null,
    };
  }, LAGS_REUSE_MS);
}

/** Postgres reads the size of each file, and sizes change slowly: scrapes within this time share one answer. */
const SIZES_REUSE_MS = 60_000;

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
  }, SIZES_REUSE_MS);
}
