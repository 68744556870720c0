import type { Database } from "../../../hub/store/database.ts";
import type { Plan, Rows } from "./factory.ts";

/** Invariants that must hold at any time. Returns each violation as a sentence. */
export async function violationsNow(database: Database): Promise<string[]> {
  const found = await database.query(
    (sql) => sql<{ violation: string }[]>`
      SELECT format('%s has %s tasks and takes %s', a.id, count(*), a.max_concurrency_limit) AS violation
        FROM agents a JOIN tasks t ON t.active_agent_id = a.id AND t.agent_session_status <> 'INACTIVE'
        WHERE a.max_concurrency_limit > 0 GROUP BY a.id HAVING count(*) > a.max_concurrency_limit
      UNION ALL
      SELECT format('%s runs %s tasks and takes %s', r.id, count(*), r.max_concurrent_tasks)
        FROM project_repositories r JOIN tasks t ON t.project_repository_id = r.id AND t.agent_session_status <> 'INACTIVE'
        WHERE r.max_concurrent_tasks > 0 GROUP BY r.id HAVING count(*) > r.max_concurrent_tasks
      UNION ALL
      SELECT format('%s is in %s sessions at the same time', task_id, count(*))
        FROM agent_sessions WHERE status IN ('starting', 'active') GROUP BY task_id HAVING count(*) > 1
      UNION ALL
      SELECT format('%s is %s without its session', t.id, t.agent_session_status)
        FROM tasks t LEFT JOIN agent_sessions s ON s.id = t.last_agent_session_id AND s.agent_id = t.active_agent_id
          AND s.status = CASE t.agent_session_status WHEN 'PUSHING' THEN 'starting' ELSE 'active' END::session_status
        WHERE t.agent_session_status <> 'INACTIVE' AND s.id IS NULL
      UNION ALL
      SELECT format('session %s goes on, and its task does not know', s.id)
        FROM agent_sessions s JOIN tasks t ON t.id = s.task_id
        WHERE s.status IN ('starting', 'active') AND (t.last_agent_session_id <> s.id OR t.agent_session_status = 'INACTIVE')`,
  );
  return found.map(({ violation }) => violation);
}

/** Conditions that must hold when all tasks are done. */
export async function violationsAfter(database: Database, plan: Plan, rows: Rows): Promise<string[]> {
  const found = await database.query(
    (sql) => sql<{ violation: string }[]>`
      SELECT format('%s is in %s, ready %s', id, list, ready) AS violation FROM tasks WHERE list <> 'done'
      UNION ALL
      SELECT format('%s counts %s tasks, and has completed %s', a.id, a.tasks_completed, count(s.id))
        FROM agents a LEFT JOIN agent_sessions s ON s.agent_id = a.id AND s.status = 'completed'
        GROUP BY a.id HAVING a.tasks_completed <> count(s.id)
      UNION ALL
      SELECT format('%s has worked %s s, and counts %s', a.id, coalesce(sum(s.duration_seconds), 0), a.total_execution_time)
        FROM agents a LEFT JOIN agent_sessions s ON s.agent_id = a.id AND s.end_reason NOT IN ('refused', 'not_started')
        GROUP BY a.id HAVING a.total_execution_time <> coalesce(sum(s.duration_seconds), 0)
      UNION ALL
      SELECT format('%s was completed %s times', task_id, count(*))
        FROM agent_sessions WHERE status = 'completed' GROUP BY task_id HAVING count(*) > 1
      UNION ALL
      SELECT format('%s counts %s dependencies', t.id, t.dependency_count) FROM tasks t
        WHERE t.dependency_count <> (SELECT count(*) FROM task_dependencies d WHERE d.task_id = t.id AND d.status = 'active')`,
  );
  return [...found.map(({ violation }) => violation), ...(await overtaken(database, plan, rows))];
}

/** Tasks that any agent could take from the start, but that were assigned after tasks of lower rank. */
async function overtaken(database: Database, plan: Plan, { taskIds }: Rows): Promise<string[]> {
  const first = await database.query(
    (sql) => sql<{ taskId: string; event: number }[]>`
      SELECT s.task_id AS "taskId", min(e.id)::float8 AS event FROM agent_sessions s
      JOIN audit_events e ON e.entity = 'agent_sessions' AND e.operation = 'created' AND e.row_id = s.id
      GROUP BY s.task_id ORDER BY min(e.id)`,
  );
  const place = new Map(taskIds.map((id, n) => [id, n]));
  const free = first.flatMap(({ taskId }) => {
    const n = place.get(taskId) ?? -1;
    const task = plan.tasks[n];
    const isFree = task && task.repository === null && task.allowed.length === 0 && task.after === null;
    return isFree ? [{ n, priority: task.priority }] : [];
  });
  return free.flatMap((task, index) => {
    const next = free[index + 1];
    const isOvertaken = next && (next.priority > task.priority || (next.priority === task.priority && next.n < task.n));
    return isOvertaken
      ? [`task ${next.n} of priority ${next.priority} was given after task ${task.n} of ${task.priority}`]
      : [];
  });
}
