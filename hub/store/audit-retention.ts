import type { Logger } from "../log.ts";
import type { Database } from "./postgres.ts";

export interface AuditRetentionOptions {
  database: Database;
  /** How many days audit events are kept; 0: for ever. */
  days: number;
  everyMs?: number;
  log: Logger;
}

const HOUR_MS = 3_600_000;
/** So that no statement takes long. */
const BATCH = 1_000;

/** Removes audit events that have outlived their time, but none that waits to be published. */
export class AuditRetention {
  readonly #options: AuditRetentionOptions;
  #timer: NodeJS.Timeout | null = null;
  #closed = false;

  constructor(options: AuditRetentionOptions) {
    this.#options = options;
  }

  start(): void {
    const { days, everyMs = HOUR_MS, log } = this.#options;
    if (days === 0) return;
    this.#timer = setInterval(() => {
      this.trim().catch((error: unknown) => log.warn({ err: error }, "old audit events could not be removed"));
    }, everyMs).unref();
  }

  close(): void {
    this.#closed = true;
    if (this.#timer) clearInterval(this.#timer);
  }

  /** Removes all there are now. */
  async trim(): Promise<void> {
    let removed: number;
    do removed = await this.#trimBatch();
    while (removed === BATCH && !this.#closed);
  }

  async #trimBatch(): Promise<number> {
    const { database, days } = this.#options;
    const rows = await database.query(
      (sql) => sql`
        DELETE FROM audit_events WHERE id IN (
          SELECT id FROM audit_events event
          WHERE at < now() - ${days} * interval '1 day' AND NOT EXISTS (SELECT FROM audit_pending p WHERE p.id = event.id)
          ORDER BY at LIMIT ${BATCH} FOR UPDATE SKIP LOCKED)
        RETURNING 1`,
    );
    return rows.length;
  }
}
