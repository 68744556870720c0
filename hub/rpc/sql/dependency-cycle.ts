import type { Statements } from "../../kernel/statements.ts";
import { runSql } from "../../kernel/statements.ts";

/** A task that waits for another. */
export interface Wait {
  taskId: string;
  dependsOnTaskId: string;
}

/** Maximum dependencies that the search reads. */
const MAX_WAITS = 10_000;

/**
 * The cycle that this dependency would close if it were an active block: tasks that each wait for the next, starting
 * with `taskId`. Null if there is none, or if it is too long to find; the database rejects every cycle. Locks the
 * project's dependencies until the transaction ends.
 */
export async function cycleThrough(sql: Statements, id: string | null, wait: Wait): Promise<string[] | null> {
  await runSql(sql, "SELECT hub_lock_dependencies($1)", [wait.taskId]);
  const waits = await runSql(
    sql,
    `WITH RECURSIVE reached (id) AS (
      SELECT id FROM tasks WHERE id = $1 AND list <> 'done'
      UNION
      SELECT d.depends_on_task_id FROM task_dependencies d JOIN reached r ON d.task_id = r.id
      WHERE d.dependency_type = 'blocks' AND d.status = 'active' AND d.id IS DISTINCT FROM $3::text)
    SELECT d.task_id AS "taskId", d.depends_on_task_id AS "dependsOnTaskId"
    FROM task_dependencies d JOIN reached r ON d.task_id = r.id
    WHERE d.dependency_type = 'blocks' AND d.status = 'active' AND d.id IS DISTINCT FROM $3::text
      AND $2 IN (SELECT id FROM reached)
    LIMIT ${MAX_WAITS}`,
    [wait.dependsOnTaskId, wait.taskId, id],
  );
  const way = shortestWay(waits as unknown as Wait[], wait.dependsOnTaskId, wait.taskId);
  return way && [wait.taskId, ...way.slice(0, -1)];
}

/** The shortest path of dependencies from one task to another, including both. Null if there is none. */
export function shortestWay(waits: readonly Wait[], from: string, to: string): string[] | null {
  const next = new Map<string, string[]>();
  for (const { taskId, dependsOnTaskId } of waits) next.set(taskId, [...(next.get(taskId) ?? []), dependsOnTaskId]);
  const cameFrom = new Map<string, string | null>([[from, null]]);
  for (const task of cameFrom.keys()) {
    if (task === to) return wayTo(task, cameFrom);
    for (const further of next.get(task) ?? []) if (!cameFrom.has(further)) cameFrom.set(further, task);
  }
  return null;
}

function wayTo(end: string, cameFrom: ReadonlyMap<string, string | null>): string[] {
  const way = [end];
  for (let task = cameFrom.get(end); task; task = cameFrom.get(task)) way.unshift(task);
  return way;
}
