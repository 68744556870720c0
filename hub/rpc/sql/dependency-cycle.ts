import type { Statements } from "../../statements.ts";
import { ask } from "../../statements.ts";

/** A task that waits for another. */
export interface Wait {
  taskId: string;
  dependsOnTaskId: string;
}

/** What is read of the dependencies behind one task. */
const MAX_WAITS = 10_000;

/**
 * The cycle that this dependency would close if it were an active block: tasks, each of which waits for the next, the
 * first of them `taskId`. Null where there is none, and where it is too long to be found: whether there is one, the
 * database decides. Until the transaction ends, nobody else changes the dependencies of the project.
 */
export async function cycleThrough(sql: Statements, id: string | null, wait: Wait): Promise<string[] | null> {
  await ask(sql, "SELECT hub_lock_dependencies($1)", [wait.taskId]);
  const waits = await ask(
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

/** From one task to another by what each waits for, both included; null where none leads there. */
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
