import { newId } from "../ids.ts";
import { ask, type Transaction } from "../statements.ts";
import type { Match } from "./matching.ts";

/**
 * Gives tasks to agents, both locked by the caller: the tasks are PUSHING, each with a session that starts, whose id is
 * the assignment's. The change feed tells the workstations, in this order. Gives the sessions' ids in the order of `matches`.
 */
export async function give(sql: Transaction, matches: readonly Match[], reason: string): Promise<string[]> {
  const sessionIds = matches.map(() => `session_${newId()}`);
  const agentIds = matches.map(({ agentId }) => agentId);
  await ask(
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
  await ask(
    sql,
    "UPDATE agents SET last_task_pushed_at = clock_timestamp() WHERE id = ANY($1::text[])",
    [[...new Set(agentIds)]],
    true,
  );
  return sessionIds;
}

/** What the hub itself says of sessions that were no try, and nobody else may. */
export const OWN_END_REASONS = ["cancelled", "refused", "not_started"] as const;

/**
 * Sessions of the task in a row that did not come to their end; one that never began is no attempt. Whoever sets a task
 * ready that was given up begins anew.
 */
function attemptsBefore(task: string, previous: string): string {
  return `CASE
    WHEN ${task}.last_error IS NOT NULL OR ${previous}.end_reason = 'cancelled' THEN 0
    WHEN ${previous}.status IN ('failed', 'timeout')
      THEN ${previous}.recovery_attempts + CASE WHEN ${previous}.end_reason IN ('refused', 'not_started') THEN 0 ELSE 1 END
    ELSE 0 END`;
}
