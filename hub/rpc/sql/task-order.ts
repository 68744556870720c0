import { ask } from "./rows.ts";
import type { Statements } from "./table.ts";

const FIRST = 1_000;
const STEP = 10;
/** DECIMAL(10,5) ends below 100,000. */
const LAST = 99_990;

/**
 * The `list_order` behind every task of a list. The caller holds the project's lock. Where the numbers run out, the list
 * is spaced anew first, in its order.
 */
export async function endOfList(sql: Statements, projectId: string, list: string): Promise<number> {
  const end = await nextPlace(sql, projectId, list);
  if (end <= LAST) return end;
  await respace(sql, projectId, list);
  return nextPlace(sql, projectId, list);
}

async function nextPlace(sql: Statements, projectId: string, list: string): Promise<number> {
  const [row] = await ask(
    sql,
    `SELECT coalesce(max(list_order) + ${STEP}, ${FIRST})::float8 AS next FROM tasks
    WHERE project_id = $1 AND list = $2::text::task_list`,
    [projectId, list],
  );
  return Number(row?.next);
}

/** Half of the room, so that the list is not soon full again. */
async function respace(sql: Statements, projectId: string, list: string): Promise<void> {
  await ask(
    sql,
    `WITH ordered AS (
      SELECT id, row_number() OVER (ORDER BY list_order, created_at, id) AS place, count(*) OVER () AS tasks
      FROM tasks WHERE project_id = $1 AND list = $2::text::task_list)
    UPDATE tasks SET list_order = ${FIRST} + ordered.place * least(${STEP}, ${LAST / 2} / ordered.tasks)
    FROM ordered WHERE tasks.id = ordered.id`,
    [projectId, list],
  );
}
