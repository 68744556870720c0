import { setTimeout as pause } from "node:timers/promises";
import { runSql } from "../../kernel/statements.ts";
import type { Queries } from "../../store/database.ts";

/** How long a reader waits for open transactions. A later page returns the events that commit afterwards. */
const PATIENCE_MS = 500;
const FIRST_PAUSE_MS = 2;
const LONGEST_PAUSE_MS = 50;
/** Events scanned for a gap in the ids. */
const MAX_SCANNED = 10_000;

/** SQL: the writers. A transaction that inserted an event holds this lock until it has committed or rolled back. */
const WRITERS = `SELECT virtualtransaction FROM pg_locks
  WHERE locktype = 'relation' AND mode = 'RowExclusiveLock' AND granted AND relation = 'audit_events'::regclass
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`;

/**
 * The id up to which a reader that has all events up to `after` can see every event, now and in future. Ids are
 * allocated before the commit, so an event with a lower id may become visible after one with a higher id. That can't
 * happen
 *  * for all existing ids, once the transactions that were writing have ended: the function waits, because most take
 *    milliseconds;
 *  * within an unbroken run of ids, regardless of open transactions.
 * Transaction ids and timestamps don't prove it: the transaction with the lower one may insert later.
 */
export async function auditHorizon(database: Queries, after: number): Promise<number> {
  const { newest, writers } = await newestAndWriters(database);
  if (newest <= after) return after;
  return (await haveEnded(database, writers)) ? newest : endOfRun(database, after, newest);
}

/** The snapshot of `newest` is taken before the locks are read, so every transaction with an older id is included. */
async function newestAndWriters(database: Queries): Promise<{ newest: number; writers: string[] }> {
  const text = `SELECT (SELECT coalesce(max(id), 0)::float8 FROM audit_events) AS newest, ARRAY(${WRITERS}) AS writers`;
  const [row] = await database.query((sql) => runSql(sql, text, []));
  return { newest: Number(row?.newest), writers: row?.writers ?? [] };
}

async function haveEnded(database: Queries, writers: string[]): Promise<boolean> {
  const deadline = performance.now() + PATIENCE_MS;
  let left = writers;
  for (let pauseMs = FIRST_PAUSE_MS; left.length > 0; pauseMs = Math.min(2 * pauseMs, LONGEST_PAUSE_MS)) {
    if (performance.now() > deadline) return false;
    await pause(pauseMs);
    const asked = left;
    const text = `${WRITERS} AND virtualtransaction = ANY ($1::text[])`;
    left = [...(await database.query((sql) => runSql(sql, text, [asked])))].map((row) =>
      String(row.virtualtransaction),
    );
  }
  return true;
}

async function endOfRun(database: Queries, after: number, newest: number): Promise<number> {
  const text = `SELECT coalesce(max(id), $1::bigint)::float8 AS last FROM (
      SELECT id, row_number() OVER (ORDER BY id) AS place FROM audit_events
      WHERE id > $1::bigint AND id <= $2::bigint ORDER BY id LIMIT ${MAX_SCANNED}) run
    WHERE id = $1::bigint + place`;
  const [row] = await database.query((sql) => runSql(sql, text, [after, newest]));
  return Number(row?.last);
}
