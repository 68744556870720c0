import { setTimeout as pause } from "node:timers/promises";
import { HubError } from "../kernel/errors.ts";
import type { Logger } from "../kernel/log.ts";
import type { PresenceOrder, PresenceSink, WorkstationPresence } from "../presence/presence.ts";
import type { Database } from "./database.ts";
import type { Fence } from "./fence.ts";
import { type PendingRow, PresenceBacklog } from "./presence-backlog.ts";
import type { AbsentWorkstation } from "./presence-row.ts";
import { type RefusedRow, writePresences } from "./presence-statement.ts";

export interface PresenceWriterOptions {
  database: Database;
  /** The shortest time between the starts of two flushes. */
  intervalMs?: number;
  /** Rows per statement. */
  maxRows?: number;
  /** Nothing is written while this hub does not serve: the newest states wait. */
  fence?: Fence;
  log: Logger;
  /**
   * The state of the row, `row`, is not older than the offered `presence` (null: only its absence was known). The owner
   * makes the store's next state newer than it, and writes the current state.
   */
  onRefused: (workstationId: string, row: PresenceOrder, presence: WorkstationPresence | null) => void;
  /** The row has this status now. */
  onWritten?: (workstationId: string, online: boolean) => void;
}

export const DEFAULT_WRITE_INTERVAL_MS = 250;
export const DEFAULT_MAX_ROWS = 1_000;
const FIRST_RETRY_MS = 100;
const MAX_RETRY_MS = 2_000;

/** SQLSTATE classes about a value, which a retry can't fix: data exceptions, constraints, sizes, a trigger's exception. */
const ROW_FAULT = /^(?:22|23|54|P0)/;

/**
 * Writes live presence to the workstations' rows: only the newest state of each workstation, in statements of at most
 * `maxRows` rows, at most one flush per `intervalMs`, never two at a time, none if nothing waits.
 *
 * - Fenced: a row takes only a later generation, or a greater revision in its generation; rejections go to `onRefused`. Missing and deleted rows are left out.
 * - While the database is unavailable the newest states wait, and are retried at most every two seconds, without end.
 * - A value that Postgres rejects affects its own row alone: the batch is halved until that row is alone. The row is
 *   logged and dropped, and the next state of that workstation is tried again.
 * - Every transition (online, suspect, offline) is recorded in `audit_events` as operation `presence`, including up to 16
 *   per workstation that a newer state replaced before the flush.
 */
export class PresenceWriter implements PresenceSink {
  readonly #database: Database;
  readonly #intervalMs: number;
  readonly #maxRows: number;
  readonly #fence: Fence | undefined;
  readonly #log: Logger;
  readonly #onRefused: PresenceWriterOptions["onRefused"];
  readonly #onWritten: PresenceWriterOptions["onWritten"];
  readonly #backlog = new PresenceBacklog();
  #timer: NodeJS.Timeout | null = null;
  #running: Promise<void> | null = null;
  #startedAt = Number.NEGATIVE_INFINITY;
  #dueAt = Number.POSITIVE_INFINITY;
  #failures = 0;
  #closed = false;
  #statements = 0;
  #lastFlushMs: number | null = null;

  constructor({ database, intervalMs, maxRows, fence, log, onRefused, onWritten }: PresenceWriterOptions) {
    this.#database = database;
    this.#intervalMs = intervalMs ?? DEFAULT_WRITE_INTERVAL_MS;
    this.#maxRows = maxRows ?? DEFAULT_MAX_ROWS;
    this.#fence = fence;
    this.#log = log;
    this.#onRefused = onRefused;
    this.#onWritten = onWritten;
  }

  /** Workstations whose newest state is not in the database yet, including those in flight. */
  get pending(): number {
    return this.#backlog.size;
  }

  /** How long the last successful flush took; null before the first. */
  get lastFlushMs(): number | null {
    return this.#lastFlushMs;
  }

  /** Statements sent since the start, including failed ones. */
  get statements(): number {
    return this.#statements;
  }

  write(presence: WorkstationPresence): void {
    this.#backlog.put(presence, false);
    this.#schedule();
  }

  /** Like `write`, and moves `last_seen_at`: a heartbeat, or the repair of a row. */
  beat(presence: WorkstationPresence): void {
    this.#backlog.put(presence, true);
    this.#schedule();
  }

  /** Sets a workstation without presence in the store offline. The row keeps its other columns. */
  writeAbsent(absent: AbsentWorkstation): void {
    this.#backlog.putAbsent(absent);
    this.#schedule();
  }

  /**
   * Resolves when all pending rows are written, or after `timeoutMs` with a warning in the log; the rest stays in
   * `pending`. For draining.
   */
  async flush(timeoutMs: number): Promise<void> {
    const deadline = performance.now() + timeoutMs;
    while (this.pending > 0 && !this.#closed) {
      await within(this.#run(), deadline - performance.now());
      if (this.pending === 0) return;
      const left = deadline - performance.now();
      if (left <= 0) return this.#log.warn({ pending: this.pending }, "presence was not written back in time");
      // What came during a flush, and rows that were locked, need not wait for the interval between flushes.
      await pause(Math.min(left, this.#pauseMs(), this.#failures > 0 ? MAX_RETRY_MS : FIRST_RETRY_MS));
    }
  }

  /** Writes nothing more. Resolves when the flush in flight has ended. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#cancel();
    await this.#running;
  }

  #schedule(): void {
    if (this.#closed || this.#running || this.#backlog.waiting === 0) return;
    // Under a flood of updates timers starve; then the updates themselves start the flush.
    const starved = this.#timer !== null && performance.now() > this.#dueAt + this.#intervalMs;
    if (starved) void this.#run();
    if (this.#timer || this.#running) return;
    const pauseMs = this.#pauseMs();
    this.#dueAt = performance.now() + pauseMs;
    this.#timer = setTimeout(() => void this.#run(), pauseMs);
  }

  #pauseMs(): number {
    if (this.#failures > 0) return Math.min(MAX_RETRY_MS, FIRST_RETRY_MS * 2 ** Math.min(this.#failures - 1, 10));
    return Math.max(0, this.#startedAt + this.#intervalMs - performance.now());
  }

  #cancel(): void {
    if (this.#timer) clearTimeout(this.#timer);
    this.#timer = null;
  }

  /** Flushes now, or joins the flush in flight. Never rejects. */
  #run(): Promise<void> {
    this.#cancel();
    if (this.#running) return this.#running;
    if (this.#closed) return Promise.resolve();
    this.#startedAt = performance.now();
    this.#running = this.#flushWaiting().finally(() => {
      this.#running = null;
      this.#schedule();
    });
    return this.#running;
  }

  /** Changes during a flush wait for the next one, or a continuous stream of changes would never pause. */
  async #flushWaiting(): Promise<void> {
    try {
      for (let left = this.#backlog.waiting; left > 0 && !this.#closed; left -= this.#maxRows) {
        await this.#writeRows(this.#backlog.take(Math.min(left, this.#maxRows)));
      }
      this.#succeeded();
    } catch (error) {
      this.#failed(error);
    }
  }

  /** Settles every row. If a retry is worthwhile, puts the rows back and throws. */
  async #writeRows(rows: readonly PendingRow[]): Promise<void> {
    try {
      const token = this.#fence?.();
      if (token === null) throw new HubError("unavailable", "This hub does not serve the database now.");
      this.#statements += 1;
      this.#settle(rows, await writePresences(this.#database, rows, token));
    } catch (error) {
      if (isRowFault(error)) return this.#halve(rows, error);
      for (const row of rows) this.#backlog.putBack(row);
      throw error;
    }
  }

  async #halve(rows: readonly PendingRow[], error: unknown): Promise<void> {
    const [only] = rows;
    if (only && rows.length === 1) return this.#drop(only, error);
    const middle = rows.length >> 1;
    const rest = rows.slice(middle);
    try {
      await this.#writeRows(rows.slice(0, middle));
    } catch (failure) {
      for (const row of rest) this.#backlog.putBack(row);
      throw failure;
    }
    await this.#writeRows(rest);
  }

  #drop(row: PendingRow, error: unknown): void {
    const { id: workstationId, generation, revision } = row.columns;
    this.#log.error(
      { err: error, workstationId, generation, revision },
      "Postgres rejected a value of this workstation's presence; its row stays unchanged until its next change",
    );
    this.#backlog.dropped(row);
  }

  #settle(rows: readonly PendingRow[], refused: readonly RefusedRow[]): void {
    const newer = new Map(refused.map(({ id, row }) => [id, row]));
    for (const row of rows) {
      const known = newer.get(row.columns.id);
      if (known === undefined) this.#written(row);
      else if (known === null) this.#backlog.putBack(row);
      else this.#refuse(row, known);
    }
  }

  #written(row: PendingRow): void {
    this.#backlog.written(row);
    this.#onWritten?.(row.columns.id, row.columns.status === "online");
  }

  #refuse(row: PendingRow, known: PresenceOrder): void {
    this.#backlog.dropped(row);
    try {
      this.#onRefused(row.columns.id, known, row.presence);
    } catch (error) {
      this.#log.error(
        { err: error, workstationId: row.columns.id, row: known },
        "a rejected presence could not be repaired",
      );
    }
  }

  #succeeded(): void {
    this.#lastFlushMs = performance.now() - this.#startedAt;
    if (this.#failures > 0) this.#log.info({ failures: this.#failures }, "presence is written back again");
    this.#failures = 0;
  }

  /** Logged at the first failure only: a database that is unavailable for an hour would fill the log. */
  #failed(error: unknown): void {
    this.#failures += 1;
    if (this.#failures === 1) {
      this.#log.warn({ err: error, pending: this.pending }, "presence can't be written back: it waits in memory");
    }
  }
}

function isRowFault(error: unknown): boolean {
  const code = error instanceof Error && "code" in error ? error.code : null;
  return typeof code === "string" && code.length === 5 && ROW_FAULT.test(code);
}

async function within(work: Promise<void>, limitMs: number): Promise<void> {
  const cancel = new AbortController();
  await Promise.race([work, pause(Math.max(0, limitMs), undefined, { signal: cancel.signal }).catch(() => undefined)]);
  cancel.abort();
}
