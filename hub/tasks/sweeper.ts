import { CoalescedRun } from "../kernel/coalesced-run.ts";
import { HubError } from "../kernel/errors.ts";
import type { Logger } from "../kernel/log.ts";
import { runSql, type Statements, type Transaction } from "../kernel/statements.ts";
import { type Database, isDatabaseFault } from "../store/database.ts";
import {
  type Ending,
  endSession,
  type HeldSession,
  holdSession,
  isOpen,
  lost,
  NOT_STARTED,
  retryTask,
  returnTask,
} from "./sessions.ts";

export interface WorkSweeperOptions {
  database: Database;
  /** How long an assignment may wait to be started. */
  startTimeoutMs: number;
  /** How long a workstation may be offline before its sessions are lost. */
  sessionTimeoutMs: number;
  intervalMs?: number;
  log: Logger;
}

const INTERVAL_MS = 5_000;
const BATCH = 100;
const PRINCIPAL = "service:hub";

interface Overdue {
  id: string;
  /** It was never started. */
  unstarted: boolean;
  /** Its workstation is offline or can't start it any more. */
  left: boolean;
}

/**
 * Ends stuck work: assignments that were not started in time or whose workstation left first, and sessions whose
 * workstation stays offline. Also lifts expired rate limits. Every hub runs a sweeper; the first one that locks a
 * session ends it. All times are the database's.
 *
 * The hub that writes a workstation's status as offline returns its assignments immediately (`workstationLeft`). The
 * sweeps of all hubs handle the remaining cases: that hub failed, or an assignment was committed after its check.
 */
export class WorkSweeper {
  readonly #options: WorkSweeperOptions;
  readonly #sweeping: CoalescedRun;
  readonly #returning: CoalescedRun;
  /** Workstations that were written as offline, and whose assignments have not been checked since. */
  readonly #left = new Set<string>();
  #timer: NodeJS.Timeout | null = null;
  #failing = false;
  #closed = false;

  constructor(options: WorkSweeperOptions) {
    this.#options = options;
    this.#sweeping = new CoalescedRun(
      () => this.#sweep(),
      (error) => this.#failed(error),
    );
    this.#returning = new CoalescedRun(
      () => this.#returnOfLeft(),
      (error) => this.#failed(error),
    );
  }

  start(): void {
    this.#timer = setInterval(() => this.#sweeping.wake(), this.#options.intervalMs ?? INTERVAL_MS).unref();
  }

  /** Call when this workstation was written as offline. Returns the assignments that it did not start. */
  workstationLeft(id: string): void {
    this.#left.add(id);
    this.#returning.wake();
  }

  async close(): Promise<void> {
    this.#closed = true;
    if (this.#timer) clearInterval(this.#timer);
    await Promise.all([this.#sweeping.close(), this.#returning.close()]);
  }

  async #sweep(): Promise<void> {
    await this.#options.database.transaction(PRINCIPAL, (sql) => liftLimits(sql));
    await this.#endOverdue(null);
    this.#failing = false;
  }

  /** The next sweep handles failures of this step. */
  async #returnOfLeft(): Promise<void> {
    const ids = [...this.#left];
    this.#left.clear();
    await this.#endOverdue(ids);
  }

  async #endOverdue(workstationIds: readonly string[] | null): Promise<void> {
    const passed: string[] = [];
    let overdue: readonly { id: string }[];
    do {
      const limits = limitsOf(this.#options);
      overdue = await this.#options.database.query((sql) => findOverdue(sql, limits, passed, workstationIds));
      for (const { id } of overdue) await this.#end(id);
      passed.push(...overdue.map(({ id }) => id));
    } while (overdue.length === BATCH && !this.#closed);
  }

  /** A database error or a lock timeout concerns one session only, and does not delay the others. */
  async #end(sessionId: string): Promise<void> {
    const { database, log } = this.#options;
    try {
      await database.transaction(PRINCIPAL, async (sql) => {
        const held = await holdSession(sql, sessionId);
        const still = held && isOpen(held) && (await stillOverdue(sql, limitsOf(this.#options), sessionId));
        if (held && still) await end(sql, held, still);
      });
    } catch (error) {
      const isItsOwn = isDatabaseFault(error) || (error instanceof HubError && error.code === "timeout");
      if (!isItsOwn) throw error;
      log.warn({ err: error, sessionId }, "an overdue session could not be ended; the next sweep retries it");
    }
  }

  /** Logs the first failure of an outage, not every retry. */
  #failed(error: unknown): void {
    if (!this.#failing)
      this.#options.log.warn({ err: error }, "overdue sessions are not checked until the database answers");
    this.#failing = true;
  }
}

const GONE = "The workstation stayed offline, or was detached from the project.";
/**
 * An `errorType`, not an end reason: readers of `task:cancel` treat both kinds of `not_started` alike. Suspended,
 * detached and self-declared offline workstations count as having left.
 */
const LEFT: Ending = {
  ...NOT_STARTED,
  errorType: "workstation_left",
  errorMessage: "The workstation left before it started the task.",
};

async function end(sql: Transaction, session: HeldSession, { unstarted, left }: Overdue): Promise<void> {
  await endSession(sql, session, unstarted ? (left ? LEFT : NOT_STARTED) : lost(GONE));
  if (unstarted) await returnTask(sql, session.task);
  else await retryTask(sql, session, GONE);
}

const limitsOf = ({ startTimeoutMs, sessionTimeoutMs }: WorkSweeperOptions) => [startTimeoutMs, sessionTimeoutMs];

/**
 * SQL: the workstation, the project or the task was deleted, or the workstation was detached. The session can't
 * continue.
 */
const IS_CUT_OFF = `(w.deleted_at IS NOT NULL OR p.deleted_at IS NOT NULL OR task.deleted_at IS NOT NULL
  OR NOT EXISTS (SELECT FROM project_workstations pw WHERE pw.project_id = task.project_id AND pw.workstation_id = w.id))`;
/**
 * SQL: the workstation is offline or cut off. The row of a suspect workstation is online, so it keeps its assignments.
 */
const HAS_LEFT = `(w.status <> 'online' OR ${IS_CUT_OFF})`;
const STAYS_AWAY = `(w.status <> 'online' AND greatest(w.last_seen_at, s.started_at)
  < clock_timestamp() - $2::float8 * interval '1 millisecond' OR ${IS_CUT_OFF})`;
const OVERDUE_COLUMNS = `s.id, s.status = 'starting' AS unstarted, ${HAS_LEFT} AS left`;
/**
 * SQL: overdue sessions. Excludes sessions that are not their task's current one, because the sweeper can't end them.
 */
const OVERDUE = `FROM agent_sessions s JOIN agents a ON a.id = s.agent_id JOIN workstations w ON w.id = a.workstation_id
  JOIN tasks task ON task.id = s.task_id AND task.last_agent_session_id = s.id AND task.agent_session_status <> 'INACTIVE'
  JOIN projects p ON p.id = task.project_id
  JOIN organizations o ON o.id = p.organization_id AND o.deleted_at IS NULL
  WHERE (s.status = 'starting'
      AND (${HAS_LEFT} OR s.started_at < clock_timestamp() - $1::float8 * interval '1 millisecond')
    OR s.status = 'active' AND ${STAYS_AWAY})`;

/** The oldest overdue sessions, without those that were already checked. Limited to these workstations if given. */
function findOverdue(
  sql: Statements,
  limits: readonly number[],
  passed: readonly string[],
  workstationIds: readonly string[] | null,
) {
  return runSql<{ id: string }>(
    sql,
    `SELECT s.id ${OVERDUE} AND s.id <> ALL($3::text[]) AND ($4::text[] IS NULL OR a.workstation_id = ANY($4))
    ORDER BY s.started_at LIMIT ${BATCH}`,
    [...limits, [...passed], workstationIds && [...workstationIds]],
  );
}

/** Checks a session again under lock. Null if it was started, or its workstation came online, in the meantime. */
async function stillOverdue(sql: Transaction, limits: readonly number[], id: string): Promise<Overdue | null> {
  const [found] = await runSql<Overdue>(
    sql,
    `SELECT ${OVERDUE_COLUMNS} ${OVERDUE} AND s.id = $3`,
    [...limits, id],
    true,
  );
  return found ?? null;
}

function liftLimits(sql: Transaction) {
  return runSql(
    sql,
    `UPDATE agents SET status = 'available', rate_limit_reset_at = NULL, rate_limit_reason = NULL
    WHERE id IN (SELECT id FROM agents WHERE status = 'rate_limited' AND rate_limit_reset_at <= clock_timestamp()
      LIMIT 1000 FOR NO KEY UPDATE SKIP LOCKED)`,
  );
}
