import type { Logger } from "../log.ts";
import { Pulse } from "../pulse.ts";
import { ask, type Statements } from "../statements.ts";
import type { Database } from "../store/postgres.ts";
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
    if (this.#timer) clearInterval(this.#timer);
    await this.#sweeping.close();
  }

  async #sweep(): Promise<void> {
    const { database, startTimeoutMs, sessionTimeoutMs } = this.#options;
    await database.query((sql) => liftLimits(sql));
    const overdue = await database.query((sql) => findOverdue(sql, startTimeoutMs, sessionTimeoutMs));
    for (const session of overdue) {
      await database.transaction(PRINCIPAL, async (sql) => {
        const held = await holdSession(sql, session.id);
        const still = held && isOpen(held) && (await isStillOverdue(sql, session, startTimeoutMs, sessionTimeoutMs));
        if (still) await end(sql, held, session);
      });
    }
    this.#failing = false;
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

function findOverdue(sql: Statements, startTimeoutMs: number, sessionTimeoutMs: number) {
  return ask<{ id: string; unstarted: boolean }>(
    sql,
    `SELECT s.id, s.status = 'starting' AS unstarted ${OVERDUE} ORDER BY s.started_at LIMIT ${BATCH}`,
    [startTimeoutMs, sessionTimeoutMs],
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
