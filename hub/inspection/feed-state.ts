import { reused } from "../kernel/reused.ts";
import type { Database } from "../store/postgres.ts";
import { askForLags, countRefused, type LagRow } from "./feed-queries.ts";

/** Organizations with their own label value: the number of values must not grow with tenants. */
const LABELLED = 5;
/** Scrapes within this time share one query of the queues. */
const REUSE_MS = 5_000;

export interface FeedState {
  /** The organizations whose changes wait longest. */
  lags: readonly LagRow[];
  /** How many changes are set aside. */
  setAside: number;
}

/** The feed's metrics over all nodes; null while the database does not answer, which another metric reports. */
export function feedState(database: Database): () => Promise<FeedState | null> {
  return reused(async () => {
    try {
      const [lags, [refused]] = await Promise.all([
        database.query((sql) => askForLags(sql, null, LABELLED)),
        database.query(countRefused),
      ]);
      return { lags, setAside: refused?.count ?? 0 };
    } catch {
      return null;
    }
  }, REUSE_MS);
}
