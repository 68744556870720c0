import type { SessionFinish, SessionStart } from "@monster-realtime/client/protocol";
import { ask, type Statements } from "../statements.ts";
import { conflict } from "./conflict.ts";
import { advance, type HeldTask, holdTask } from "./standing.ts";
import { releaseWorktreeOf } from "./worktrees.ts";

/** How often a task is tried again whose session was lost or failed. */
export const MAX_RECOVERIES = 3;

/** A session under lock, with its task. */
export interface HeldSession {
  id: string;
  agentId: string;
  status: string;
  recoveryAttempts: number;
  task: HeldTask;
}

/**
 * Locks the board, the task and the session, in this order as everybody does. Null where it is gone, or is no longer what
 * its task is in.
 */
export async function holdSession(sql: Statements, id: string): Promise<HeldSession | null> {
  const [seen] = await ask<{ taskId: string }>(
    sql,
    `SELECT task_id AS "taskId" FROM agent_sessions WHERE id = $1`,
    [id],
    true,
  );
  const task = seen && (await holdTask(sql, seen.taskId));
  if (!task) return null;
  const [session] = await ask<Omit<HeldSession, "task">>(
    sql,
    `SELECT id, agent_id AS "agentId", status, recovery_attempts AS "recoveryAttempts" FROM agent_sessions
    WHERE id = $1 FOR NO KEY UPDATE`,
    [id],
    true,
  );
  return session ? { ...session, task } : null;
}

/** Whether the task is in this session, and the session goes on. */
export function isOpen({ id, agentId, status, task }: HeldSession): boolean {
  const isCurrent = task.sessionId === id && task.activeAgentId === agentId && task.agentSessionStatus !== "INACTIVE";
  return isCurrent && (status === "starting" || status === "active");
}

/** The agent took the task up. Throws `conflict` where it can't any more. */
export async function startSession(
  sql: Statements,
  session: HeldSession,
  start: Omit<SessionStart, "id">,
): Promise<void> {
  if (!isOpen(session))
    throw conflict(
      "ended",
      "This assignment has ended, or the task went to another agent. Ask for workstations.assignments.",
    );
  if (session.status !== "starting") throw conflict("started", "This assignment was started already.");
  const started = await advance(sql, session.task, "started", { agentSessionStatus: "ACTIVE" });
  if (!started) throw conflict("list", `The task is in the list ${session.task.list}: nobody is to work on it now.`);
  await ask(
    sql,
    `UPDATE agent_sessions SET status = 'active', started_at = clock_timestamp(), external_session_id = $2::text,
      working_directory = $3::text, start_reason = coalesce($4::text, start_reason)
    WHERE id = $1`,
    [session.id, start.externalSessionId ?? null, start.workingDirectory ?? null, start.startReason ?? null],
  );
}

/** How a session ended. */
export interface Ending extends Omit<SessionFinish, "id" | "outcome" | "reviewInstructions"> {
  status: "completed" | "failed" | "timeout";
  endReason: string;
}

/**
 * Ends an open session and gives the agent and its worktree free. What becomes of the task, the caller says; whoever ends a
 * session holds it, so that it is ended once.
 */
export async function endSession(sql: Statements, session: HeldSession, ending: Ending): Promise<void> {
  const { outputSummary, filesChanged, commitsMade, errorType, errorMessage } = ending;
  await ask(
    sql,
    `WITH ended AS (
      UPDATE agent_sessions SET status = $2::text::session_status, end_reason = $3::text, output_summary = $4::text,
        files_changed = $5::text::jsonb, commits_made = $6::text::jsonb, error_type = $7::text, error_message = $8::text,
        ended_at = greatest(started_at, clock_timestamp())
      WHERE id = $1 RETURNING agent_id, status, duration_seconds)
    UPDATE agents SET tasks_completed = tasks_completed + (ended.status = 'completed')::int,
      total_execution_time = total_execution_time + CASE WHEN $9 THEN ended.duration_seconds ELSE 0 END
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

const FREE = { agentSessionStatus: "INACTIVE", activeAgentId: null } as const;

/** The session came to its end, and the task goes on in its workflow. */
export async function completeTask(sql: Statements, task: HeldTask, reviewInstructions: string | null): Promise<void> {
  const instructions = reviewInstructions === null ? {} : { reviewInstructions };
  await advance(sql, task, "completed", { ...FREE, lastError: null, ...instructions });
}

/** The session did not begin: somebody else may have the task at once. */
export async function returnTask(sql: Statements, task: HeldTask): Promise<void> {
  await advance(sql, task, "failed", FREE);
}

/** The session failed or was lost: the task is tried again, until it was often enough. */
export async function retryTask(
  sql: Statements,
  { task, recoveryAttempts }: HeldSession,
  error: string,
): Promise<void> {
  if (recoveryAttempts < MAX_RECOVERIES) return returnTask(sql, task);
  const lastError = `Given up after ${recoveryAttempts + 1} tries, the last of which ended so: ${error}`;
  await advance(sql, task, "gave_up", { ...FREE, ready: false, lastError });
}

/** Somebody took the task back. */
export async function withdrawTask(sql: Statements, task: HeldTask): Promise<void> {
  await advance(sql, task, "gave_up", { ...FREE, ready: false });
}
