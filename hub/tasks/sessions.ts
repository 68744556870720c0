import type { SessionFinish, SessionStart, TaskMode } from "@monster-realtime/client/protocol";
import { runSql, type Transaction } from "../kernel/statements.ts";
import { conflict } from "./conflict.ts";
import { advance, type HeldTask, holdTask } from "./held-task.ts";
import { releaseWorktreeOf } from "./worktrees.ts";

/** How often a task is retried after a failed or lost session. */
const MAX_RECOVERIES = 3;

/** A locked session, with its task. */
export interface HeldSession {
  id: string;
  agentId: string;
  status: string;
  /** The task's mode at the time of the assignment. */
  mode: TaskMode | null;
  recoveryAttempts: number;
  task: HeldTask;
}

/**
 * Locks the board, the task and the session, in the order that all transactions use. Null if the session or its task no
 * longer exists.
 */
export async function holdSession(sql: Transaction, id: string): Promise<HeldSession | null> {
  const [seen] = await runSql<{ taskId: string }>(
    sql,
    `SELECT task_id AS "taskId" FROM agent_sessions WHERE id = $1`,
    [id],
    true,
  );
  const task = seen && (await holdTask(sql, seen.taskId));
  if (!task) return null;
  const [session] = await runSql<Omit<HeldSession, "task">>(
    sql,
    `SELECT id, agent_id AS "agentId", status, mode, recovery_attempts AS "recoveryAttempts" FROM agent_sessions
    WHERE id = $1 FOR NO KEY UPDATE`,
    [id],
    true,
  );
  return session ? { ...session, task } : null;
}

/** Whether this is the task's current session, and it has not ended. */
export function isOpen({ id, agentId, status, task }: HeldSession): boolean {
  const isCurrent = task.sessionId === id && task.activeAgentId === agentId && task.agentSessionStatus !== "INACTIVE";
  return isCurrent && (status === "starting" || status === "active");
}

/** Records that the agent started the task. Throws `conflict` if the assignment has ended. */
export async function startSession(
  sql: Transaction,
  session: HeldSession,
  start: Omit<SessionStart, "id">,
): Promise<void> {
  if (!isOpen(session))
    throw conflict(
      "ended",
      "This assignment has ended, or the task went to another agent. Call workstations.assignments for the current ones.",
    );
  if (session.status !== "starting")
    throw conflict("started", "This assignment was already started. Continue with its session.");
  const started = await advance(sql, session.task, "started", { agentSessionStatus: "ACTIVE" });
  if (!started) throw conflict("list", `The task is in the list "${session.task.list}". Move it to "todo" first.`);
  await runSql(
    sql,
    `UPDATE agent_sessions SET status = 'active', started_at = clock_timestamp(), external_session_id = $2::text,
      working_directory = $3::text, start_reason = coalesce($4::text, start_reason)
    WHERE id = $1`,
    [session.id, start.externalSessionId ?? null, start.workingDirectory ?? null, start.startReason ?? null],
  );
}

/** The largest value of the counters' columns. */
const MAX_INTEGER = 2_147_483_647;

/** How a session ended. */
export interface Ending extends Omit<SessionFinish, "id" | "outcome" | "reviewInstructions"> {
  status: "completed" | "failed" | "timeout";
  endReason: string;
}

/**
 * Ends an open session and releases its agent and worktree. The caller decides the next state of the task. The caller
 * holds the session's lock, so that a session ends once.
 */
export async function endSession(
  sql: Transaction,
  session: Pick<HeldSession, "id" | "status">,
  ending: Ending,
): Promise<void> {
  const { outputSummary, filesChanged, commitsMade, errorType, errorMessage } = ending;
  await runSql(
    sql,
    `WITH ended AS (
      UPDATE agent_sessions SET status = $2::text::session_status, end_reason = $3::text, output_summary = $4::text,
        files_changed = $5::text::jsonb, commits_made = $6::text::jsonb, error_type = $7::text, error_message = $8::text,
        ended_at = greatest(started_at, clock_timestamp())
      WHERE id = $1 RETURNING agent_id, status, duration_seconds)
    UPDATE agents SET tasks_completed = tasks_completed + (ended.status = 'completed')::int,
      total_execution_time = least(${MAX_INTEGER}, total_execution_time::bigint + CASE WHEN $9 THEN ended.duration_seconds ELSE 0 END)
    FROM ended WHERE agents.id = ended.agent_id`,
    [
      session.id,
      ending.status,
      ending.endReason,
      outputSummary ?? null,
      filesChanged ? JSON.stringify(filesChanged) : null,
      commitsMade ? JSON.stringify(commitsMade) : null,
      errorType ?? null,
      errorMessage ?? null,
      session.status === "active",
    ],
  );
  await releaseWorktreeOf(sql, session.id);
}

/** The assignment was never started. */
export const NOT_STARTED: Ending = { status: "failed", endReason: "not_started", errorType: "not_started" };

/** The session is lost: its workstation can't end it any more. */
export function lost(errorMessage: string): Ending {
  return { status: "timeout", endReason: "timeout", errorType: "workstation_lost", errorMessage };
}

/** Ends all open sessions of a workstation that is deleted, and makes their tasks available to other agents. */
export async function endSessionsOf(sql: Transaction, workstationId: string): Promise<void> {
  // Locks tasks in the order of their ids, so that concurrent calls don't deadlock.
  const tasks = await runSql<{ sessionId: string | null }>(
    sql,
    `UPDATE tasks SET active_agent_id = NULL, agent_session_status = 'INACTIVE' WHERE id IN (
      SELECT tasks.id FROM tasks JOIN agents ON agents.id = tasks.active_agent_id
      WHERE agents.workstation_id = $1 ORDER BY tasks.id FOR NO KEY UPDATE OF tasks)
    RETURNING last_agent_session_id AS "sessionId"`,
    [workstationId],
  );
  const open = await runSql<Pick<HeldSession, "id" | "status">>(
    sql,
    `SELECT id, status FROM agent_sessions WHERE id = ANY($1::text[]) AND status IN ('starting', 'active')
    ORDER BY id FOR NO KEY UPDATE`,
    [tasks.map(({ sessionId }) => sessionId)],
  );
  for (const session of open)
    await endSession(sql, session, session.status === "starting" ? NOT_STARTED : lost("The workstation was deleted."));
}

/**
 * Ends all open sessions of the tasks that match the condition and are being deleted. Uses two statements, because only
 * the agents' concurrency limits bound the number of sessions. The tasks keep their state, without an agent.
 */
export async function cancelSessions(sql: Transaction, condition: string, id: string): Promise<void> {
  const tasks = await runSql<{ sessionId: string | null }>(
    sql,
    `UPDATE tasks SET active_agent_id = NULL, agent_session_status = 'INACTIVE' WHERE id IN (
      SELECT id FROM tasks WHERE ${condition} AND agent_session_status <> 'INACTIVE' ORDER BY id FOR NO KEY UPDATE)
    RETURNING last_agent_session_id AS "sessionId"`,
    [id],
  );
  if (tasks.length === 0) return;
  await runSql(
    sql,
    `WITH open AS (
      SELECT id, status FROM agent_sessions WHERE id = ANY($1::text[]) AND status IN ('starting', 'active')
      ORDER BY id FOR NO KEY UPDATE
    ), ended AS (
      UPDATE agent_sessions s SET status = 'failed', end_reason = 'cancelled', error_message = 'The task was deleted.',
        ended_at = greatest(s.started_at, clock_timestamp())
      FROM open WHERE s.id = open.id
      RETURNING s.agent_id, s.worktree_id, CASE WHEN open.status = 'active' THEN s.duration_seconds ELSE 0 END AS seconds
    ), spent AS (
      UPDATE agents SET total_execution_time = least(${MAX_INTEGER}, total_execution_time::bigint + of_agent.seconds)
      FROM (SELECT agent_id, sum(seconds) AS seconds FROM ended GROUP BY agent_id) of_agent WHERE agents.id = of_agent.agent_id
    )
    UPDATE git_worktrees SET active_task_count = greatest(0, active_task_count - of_worktree.sessions), last_used_at = clock_timestamp()
    FROM (SELECT worktree_id, count(*)::int AS sessions FROM ended WHERE worktree_id IS NOT NULL GROUP BY worktree_id) of_worktree
    WHERE git_worktrees.id = of_worktree.worktree_id`,
    [tasks.map(({ sessionId }) => sessionId)],
  );
}

const FREE = { agentSessionStatus: "INACTIVE", activeAgentId: null } as const;

/**
 * Advances the task in its workflow after its session completed. If the task's mode changed during the session, the new
 * mode has yet to run, so the task does not advance.
 */
export async function completeTask(
  sql: Transaction,
  { task, mode }: HeldSession,
  reviewInstructions: string | null,
): Promise<void> {
  const instructions = reviewInstructions === null ? {} : { reviewInstructions };
  const event = mode === null || mode === task.mode ? "completed" : "failed";
  await advance(sql, task, event, { ...FREE, lastError: null, ...instructions });
}

/** Makes the task available again after a session that did not start. */
export async function returnTask(sql: Transaction, task: HeldTask): Promise<void> {
  await advance(sql, task, "failed", FREE);
}

/** Makes the task available again after a failed or lost session, or gives it up after `MAX_RECOVERIES` retries. */
export async function retryTask(
  sql: Transaction,
  { task, recoveryAttempts }: HeldSession,
  error: string,
): Promise<void> {
  if (recoveryAttempts < MAX_RECOVERIES) return returnTask(sql, task);
  const lastError = `Gave up after ${recoveryAttempts + 1} attempts. Last error: ${error}`;
  await advance(sql, task, "gave_up", { ...FREE, ready: false, lastError });
}

/** Withdraws the task: it is no longer ready. */
export async function withdrawTask(sql: Transaction, task: HeldTask): Promise<void> {
  await advance(sql, task, "gave_up", { ...FREE, ready: false });
}
