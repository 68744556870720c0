import { newId } from "../kernel/ids.ts";
import { runSql, type Transaction } from "../kernel/statements.ts";
import type { Match } from "./matching.ts";

/**
 * Assigns tasks to agents, both locked by the caller. The tasks become PUSHING, each with a new session in `starting`.
 * The session's id is the assignment's id. The change feed publishes the assignments in this order. Returns the
 * sessions' ids in the order of `matches`.
 */
export async function give(sql: Transaction, matches: readonly Match[], reason: string): Promise<string[]> {
  const sessionIds = matches.map(() => `session_${newId()}`);
  const agentIds = matches.map(({ agentId }) => agentId);
  await runSql(
    sql,
    `WITH given AS (
      SELECT * FROM unnest($1::text[], $2::text[], $3::text[]) WITH ORDINALITY AS given (task_id, agent_id, session_id, place)
    ), pushed AS (
      UPDATE tasks SET agent_session_status = 'PUSHING', active_agent_id = given.agent_id,
        last_agent_session_id = given.session_id, last_error = NULL
      FROM given WHERE tasks.id = given.task_id
    )
    INSERT INTO agent_sessions (id, task_id, agent_id, mode, status, started_at, start_reason, recovery_attempts)
    SELECT given.session_id, given.task_id, given.agent_id, task.mode, 'starting', clock_timestamp(), $4,
      ${attemptsBefore("task", "previous")}
    FROM given JOIN tasks task ON task.id = given.task_id
    LEFT JOIN agent_sessions previous ON previous.id = task.last_agent_session_id
    ORDER BY given.place`,
    [matches.map(({ taskId }) => taskId), agentIds, sessionIds, reason],
  );
  await runSql(
    sql,
    "UPDATE agents SET last_task_pushed_at = clock_timestamp() WHERE id = ANY($1::text[])",
    [[...new Set(agentIds)]],
    true,
  );
  return sessionIds;
}

/** End reasons, reserved for the hub, of sessions that do not count as attempts. */
export const OWN_END_REASONS = ["cancelled", "refused", "not_started"] as const;

/**
 * SQL: the number of consecutive failed attempts at the task. A session that never started is not an attempt: a
 * sleeping machine must not use up the task's retries. The count restarts at 0 when a task that was given up is set
 * ready.
 */
function attemptsBefore(task: string, previous: string): string {
  return `CASE
    WHEN ${task}.last_error IS NOT NULL OR ${previous}.end_reason = 'cancelled' THEN 0
    WHEN ${previous}.status IN ('failed', 'timeout')
      THEN ${previous}.recovery_attempts + CASE WHEN ${previous}.end_reason IN ('refused', 'not_started') THEN 0 ELSE 1 END
    ELSE 0 END`;
}
