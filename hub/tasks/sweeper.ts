import { HubError } from "../errors.ts";
import type { Logger } from "../log.ts";
import { Pulse } from "../pulse.ts";
import { ask, type Statements } from "../statements.ts";
import { type Database, isDatabaseFault } from "../store/postgres.ts";
import {
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
}

/**
 * Lets nothing stick: takes back what nobody started, gives up sessions whose workstation stays away, and lifts rate limits
 * that have run out. Every hub does it; whoever holds the row first has it. All times are the database's.
 */
export class WorkSweeper {
  readonly #options: WorkSweeperOptions;
  readonly #sweeping: Pulse;
  #timer: NodeJS.Timeout | null = null;
  #failing = false;
  #closed = false;

  constructor(options: WorkSweeperOptions) {
    this.#options = options;
    this.#sweeping = new Pulse(
      () => this.#sweep(),
      (error) => this.#failed(error),
    );
  }

  start(): void {
    this.#timer = setInterval(() => this.#sweeping.wake(), this.#options.intervalMs ?? INTERVAL_MS).unref();
  }

  async close(): Promise<void> {
    this.#closed = true;
    if (this.#timer) clearInterval(this.#timer);
    await this.#sweeping.close();
  }

  async #sweep(): Promise<void> {
    const { database, startTimeoutMs, sessionTimeoutMs } = this.#options;
    await database.transaction(PRINCIPAL, (sql) => liftLimits(sql));
    const passed: string[] = [];
    let overdue: readonly Overdue[];
    do {
      overdue = await database.query((sql) => findOverdue(sql, startTimeoutMs, sessionTimeoutMs, passed));
      for (const session of overdue) await this.#end(session);
      passed.push(...overdue.map(({ id }) => id));
    } while (overdue.length === BATCH && !this.#closed);
    this.#failing = false;
  }

  /** What the database refuses, or somebody's lock keeps, is one session's matter: the others must not wait for it. */
  async #end(session: Overdue): Promise<void> {
    const { database, startTimeoutMs, sessionTimeoutMs, log } = this.#options;
    try {
      await database.transaction(PRINCIPAL, async (sql) => {
        const held = await holdSession(sql, session.id);
        const still = held && isOpen(held) && (await isStillOverdue(sql, session, startTimeoutMs, sessionTimeoutMs));
        if (still) await end(sql, held, session);
      });
    } catch (error) {
      const isItsOwn = isDatabaseFault(error) || (error instanceof HubError && error.code === "timeout");
      if (!isItsOwn) throw error;
      log.warn({ err: error, sessionId: session.id }, "an overdue session could not be ended; tried again");
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

async function end(sql: Statements, session: HeldSession, { unstarted }: Overdue): Promise<void> {
  await endSession(sql, session, unstarted ? NOT_STARTED : lost(GONE));
  if (unstarted) await returnTask(sql, session.task);
  else await retryTask(sql, session, GONE);
}

/** Sessions that are no task's current one are somebody else's to end, and must not be looked at again and again. */
const OVERDUE = `FROM agent_sessions s JOIN agents a ON a.id = s.agent_id JOIN workstations w ON w.id = a.workstation_id
  JOIN tasks task ON task.id = s.task_id AND task.last_agent_session_id = s.id AND task.agent_session_status <> 'INACTIVE'
  WHERE (s.status = 'starting' AND s.started_at < clock_timestamp() - $1::float8 * interval '1 millisecond'
      OR s.status = 'active' AND ${isGone("w")})`;

/** Not online, and not seen for as long; or it can't end the session any more, deleted, or taken from the task's project. */
function isGone(workstation: string): string {
  return `(${workstation}.status <> 'online' AND greatest(${workstation}.last_seen_at, s.started_at)
      < clock_timestamp() - $2::float8 * interval '1 millisecond'
    OR ${workstation}.deleted_at IS NOT NULL
    OR NOT EXISTS (SELECT FROM tasks t JOIN project_workstations pw ON pw.project_id = t.project_id
      WHERE t.id = s.task_id AND pw.workstation_id = ${workstation}.id))`;
}

/** The oldest, without those that were looked at already. */
function findOverdue(sql: Statements, startTimeoutMs: number, sessionTimeoutMs: number, passed: readonly string[]) {
  return ask<Overdue>(
    sql,
    `SELECT s.id, s.status = 'starting' AS unstarted ${OVERDUE} AND s.id <> ALL($3::text[]) ORDER BY s.started_at LIMIT ${BATCH}`,
    [startTimeoutMs, sessionTimeoutMs, [...passed]],
  );
}

/** It may have been started, or its workstation come back, while it waited for its turn. */
async function isStillOverdue(
  sql: Statements,
  { id, unstarted }: Overdue,
  startTimeoutMs: number,
  sessionTimeoutMs: number,
): Promise<boolean> {
  const [found] = await ask(
    sql,
    `SELECT 1 ${OVERDUE} AND s.id = $3 AND (s.status = 'starting') = $4`,
    [startTimeoutMs, sessionTimeoutMs, id, unstarted],
    true,
  );
  return found !== undefined;
}

function liftLimits(sql: Statements) {
  return ask(
    sql,
    `UPDATE agents SET status = 'available', rate_limit_reset_at = NULL, rate_limit_reason = NULL
    WHERE id IN (SELECT id FROM agents WHERE status = 'rate_limited' AND rate_limit_reset_at <= clock_timestamp()
      LIMIT 1000 FOR NO KEY UPDATE SKIP LOCKED)`,
  );
}
