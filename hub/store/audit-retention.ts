import { setTimeout as pause } from "node:timers/promises";
import type { Logger } from "../kernel/log.ts";
import type { Database } from "./database.ts";
import { type Fence, isValid } from "./fence.ts";

export interface AuditRetentionTimes {
  /** The first check comes within this time after the start. */
  startMs: number;
  /** The time between two checks: at least this, at most twice as long. */
  lookMs: number;
  /** How long after a complete trim the next one is due, on any hub. */
  everyMs: number;
}

export interface AuditRetentionOptions {
  database: Database;
  /** How many days audit events are kept; 0: for ever. */
  days: number;
  nodeId: string;
  /** Default: this hub always serves. */
  fence?: Fence;
  times?: AuditRetentionTimes;
  log: Logger;
}

const TIMES: AuditRetentionTimes = { startMs: 10_000, lookMs: 300_000, everyMs: 3_600_000 };
const WORK = "audit-retention";
/** How long a hub that died during a trim blocks the others from trimming. */
const TURN_MS = 60_000;
/** Events per statement, which takes about ten milliseconds. */
const BATCH = 1_000;
/** The pause between two batches, for other users of the connection and the disk. */
const PAUSE_MS = 20;

/** The position of an event in the order of time. */
interface Place {
  at: string;
  id: string;
}

interface Batch extends Place {
  passed: number;
  removed: number;
}

const BEGINNING: Place = { at: "-infinity", id: "0" };

/**
 * Removes audit events that are older than `days`, except events that wait to be published or are set aside. One hub at a
 * time trims. The database records the last trim, so that hubs which live for minutes trim as well. Each batch is one
 * short statement.
 */
export class AuditRetention {
  readonly #options: AuditRetentionOptions;
  readonly #times: AuditRetentionTimes;
  #timer: NodeJS.Timeout | null = null;
  #running: Promise<void> | null = null;
  readonly #closing = new AbortController();
  #removed = 0;

  constructor(options: AuditRetentionOptions) {
    this.#options = options;
    this.#times = options.times ?? TIMES;
  }

  /** How many events this hub removed. */
  get removed(): number {
    return this.#removed;
  }

  start(): void {
    const { days, log } = this.#options;
    if (days === 0) return;
    log.info({ days }, "audit events older than these days are removed; AUDIT_RETENTION_DAYS=0 keeps them for ever");
    this.#look(Math.random() * this.#times.startMs);
  }

  /** Resolves when the last statement has ended. */
  async close(): Promise<void> {
    this.#closing.abort();
    if (this.#timer) clearTimeout(this.#timer);
    await this.#running;
  }

  /** Removes all old events. Returns how many; null: no trim is due, another hub trims, or this hub does not serve. */
  async trim(): Promise<number | null> {
    if (!(await this.#begin())) return null;
    let total = 0;
    let after = BEGINNING;
    while (!this.#closing.signal.aborted) {
      const batch = await this.#removeBatch(after);
      if (!batch) break;
      total += batch.removed;
      this.#removed += batch.removed;
      if (batch.passed < BATCH) {
        await this.#finish();
        break;
      }
      after = batch;
      await pause(PAUSE_MS);
    }
    return total;
  }

  #look(inMs: number): void {
    this.#timer = setTimeout(() => {
      this.#running = this.#trimAndLog().then(() => {
        this.#running = null;
        if (!this.#closing.signal.aborted) this.#look(this.#times.lookMs * (1 + Math.random()));
      });
    }, inMs).unref();
  }

  async #trimAndLog(): Promise<void> {
    const { log, days } = this.#options;
    try {
      const removed = await this.trim();
      if (removed) log.info({ removed, days }, "old audit events removed");
    } catch (error) {
      log.warn({ err: error }, "old audit events could not be removed");
    }
  }

  async #begin(): Promise<boolean> {
    const { database, nodeId, fence } = this.#options;
    const token = fence?.();
    if (token === null) return false;
    const rows = await database.query(
      (sql) => sql`
        INSERT INTO periodic_work AS work (name, node_id, due_at)
          SELECT ${WORK}, ${nodeId}, now() + ${TURN_MS} * interval '1 millisecond' WHERE ${isValid(sql, token)}
        ON CONFLICT (name) DO UPDATE SET node_id = excluded.node_id, due_at = excluded.due_at WHERE work.due_at <= now()
        RETURNING 1`,
    );
    return rows.length > 0;
  }

  /** A trim visits events once, in the order of time: it does not read removed or pending ones again. */
  async #removeBatch(after: Place): Promise<Batch | null> {
    const { database, days, nodeId, fence } = this.#options;
    const token = fence?.();
    if (token === null) return null;
    const [batch] = await database.query(
      (sql) => sql<(Batch & { ours: boolean })[]>`
        WITH turn AS (
          UPDATE periodic_work SET due_at = now() + ${TURN_MS} * interval '1 millisecond'
          WHERE name = ${WORK} AND node_id = ${nodeId} AND ${isValid(sql, token)} RETURNING 1
        ), passed AS MATERIALIZED (
          SELECT id, at, xid FROM audit_events
          WHERE EXISTS (SELECT FROM turn) AND (at, id) > (${after.at}::text::timestamptz, ${after.id}::bigint)
            AND at < now() - ${days} * interval '1 day'
          ORDER BY at, id LIMIT ${BATCH}
        ), published AS (
          SELECT id FROM passed
          WHERE NOT EXISTS (SELECT FROM feed_queue waits WHERE waits.xid = passed.xid AND waits.next_id <= passed.id)
            AND NOT EXISTS (SELECT FROM feed_refused refused WHERE refused.id = passed.id)
        ), removed AS (DELETE FROM audit_events WHERE id = ANY (ARRAY(SELECT id FROM published)) RETURNING 1)
        SELECT EXISTS (SELECT FROM turn) AS ours, (SELECT count(*)::int FROM removed) AS removed,
          (SELECT count(*)::int FROM passed) AS passed, last.at::text, last.id
        FROM (SELECT) AS once LEFT JOIN (SELECT at, id FROM passed ORDER BY at DESC, id DESC LIMIT 1) AS last ON true`,
    );
    return batch?.ours ? batch : null;
  }

  async #finish(): Promise<void> {
    const { database, nodeId } = this.#options;
    await database.query(
      (sql) => sql`
        UPDATE periodic_work SET due_at = now() + ${this.#times.everyMs} * interval '1 millisecond', finished_at = now()
        WHERE name = ${WORK} AND node_id = ${nodeId}`,
    );
  }
}
