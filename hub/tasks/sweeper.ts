import { HubError } from "../errors.ts";
import type { Logger } from "../log.ts";
import { Pulse } from "../pulse.ts";
import { ask, type Statements, type Transaction } from "../statements.ts";
import { type Database, isDatabaseFault } from "../store/postgres.ts";
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
  /** How long an assignment may stay without being started. */
  startTimeoutMs: number;
  /** How long a workstation may be away before its sessions are lost. */
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
  /** Its workstation can't start it any more. */
  left: boolean;
}

/**
 * Lets nothing stick: takes back what nobody started in time or whose workstation left before it did, gives up sessions whose
 * workstation stays away, and lifts rate limits that have run out. Every hub does it, and the first that locks a session ends
 * it. All times are the database's.
 *
 * A hub that writes a workstation's absence returns its assignments at once (`workstationLeft`). The sweeps of all hubs find
 * the rest: where that hub died, and where an assignment was committed after the absence was looked at.
 */
export class WorkSweeper {
  readonly #options: WorkSweeperOptions;
  readonly #sweeping: Pulse;
  readonly #returning: Pulse;
  /** Workstations whose absence was written, and whose assignments were not looked at since. */
  readonly #left = new Set<string>();
  #timer: NodeJS.Timeout | null = null;
  #failing = false;
  #closed = false;

  constructor(options: WorkSweeperOptions) {
    this.#options = options;
    this.#sweeping = new Pulse(
      () => this.#sweep(),
      (error) => this.#failed(error),
    );
    this.#returning = new Pulse(
      () => this.#returnOfLeft(),
      (error) => this.#failed(error),
    );
  }

  start(): void {
    this.#timer = setInterval(() => this.#sweeping.wake(), this.#options.intervalMs ?? INTERVAL_MS).unref();
  }

  /** This workstation's row says now that it is not online: the assignments that it did not start go back at once. */
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

  /** What fails here is left to the next sweep. */
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

  /** What the database refuses, or somebody's lock keeps, is one session's matter: the others must not wait for it. */
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
      log.warn({ err: error, sessionId }, "an overdue session could not be ended; tried again");
    }
  }

  /** Told once, not at every try. */
  #failed(error: unknown): void {
    if (!this.#failing)
      this.#options.log.warn({ err: error }, "overdue sessions are not looked at until the database answers");
    this.#failing = true;
  }
}

const GONE = "The workstation stayed away, or was taken from the project.";
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

/** The workstation, the project or the task was deleted, or the workstation detached: it can't start or end the session. */
const IS_CUT_OFF = `(w.deleted_at IS NOT NULL OR p.deleted_at IS NOT NULL OR task.deleted_at IS NOT NULL
  OR NOT EXISTS (SELECT FROM project_workstations pw WHERE pw.project_id = task.project_id AND pw.workstation_id = w.id))`;
/** A suspect workstation is online by its row, and keeps what it was given. */
const HAS_LEFT = `(w.status <> 'online' OR ${IS_CUT_OFF})`;
const STAYS_AWAY = `(w.status <> 'online' AND greatest(w.last_seen_at, s.started_at)
  < clock_timestamp() - $2::float8 * interval '1 millisecond' OR ${IS_CUT_OFF})`;
const OVERDUE_COLUMNS = `s.id, s.status = 'starting' AS unstarted, ${HAS_LEFT} AS left`;
/** Sessions that are no task's current one are somebody else's to end, and must not be looked at again and again. */
const OVERDUE = `FROM agent_sessions s JOIN agents a ON a.id = s.agent_id JOIN workstations w ON w.id = a.workstation_id
  JOIN tasks task ON task.id = s.task_id AND task.last_agent_session_id = s.id AND task.agent_session_status <> 'INACTIVE'
  JOIN projects p ON p.id = task.project_id
  JOIN organizations o ON o.id = p.organization_id AND o.deleted_at IS NULL
  WHERE (s.status = 'starting'
      AND (${HAS_LEFT} OR s.started_at < clock_timestamp() - $1::float8 * interval '1 millisecond')
    OR s.status = 'active' AND ${STAYS_AWAY})`;

/** The oldest, without those that were looked at already; of these workstations alone where any are given. */
function findOverdue(
  sql: Statements,
  limits: readonly number[],
  passed: readonly string[],
  workstationIds: readonly string[] | null,
) {
  return ask<{ id: string }>(
    sql,
    `SELECT s.id ${OVERDUE} AND s.id <> ALL($3::text[]) AND ($4::text[] IS NULL OR a.workstation_id = ANY($4))
    ORDER BY s.started_at LIMIT ${BATCH}`,
    [...limits, [...passed], workstationIds && [...workstationIds]],
  );
}

/** It may have been started, or its workstation come back, while it waited for its turn: null. */
async function stillOverdue(sql: Transaction, limits: readonly number[], id: string): Promise<Overdue | null> {
  const [found] = await ask<Overdue>(sql, `SELECT ${OVERDUE_COLUMNS} ${OVERDUE} AND s.id = $3`, [...limits, id], true);
  return found ?? null;
}

function liftLimits(sql: Transaction) {
  return ask(
    sql,
    `UPDATE agents SET status = 'available', rate_limit_reset_at = NULL, rate_limit_reason = NULL
    WHERE id IN (SELECT id FROM agents WHERE status = 'rate_limited' AND rate_limit_reset_at <= clock_timestamp()
      LIMIT 1000 FOR NO KEY UPDATE SKIP LOCKED)`,
  );
}
