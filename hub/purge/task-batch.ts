import { runSql, type Statements } from "../kernel/statements.ts";

/** A task's place in the index of a project's tasks. */
export interface TaskPlace {
  priority: number;
  listOrder: string;
  createdAt: string;
  id: string;
}

/** The next tasks of a project in the order of their index, also the first of a lower priority; none: the walk has ended. */
export async function nextTaskBatch(
  sql: Statements,
  projectId: string,
  after: TaskPlace | null,
  limit: number,
): Promise<{ ids: string[]; last: TaskPlace | null }> {
  const rows = await runSql<TaskPlace & { id: string }>(
    sql,
    after ? FURTHER : FIRST,
    valuesOf(projectId, after, limit),
    true,
  );
  return { ids: rows.map(({ id }) => id), last: rows.at(-1) ?? null };
}

const SELECTED = `id, priority, list_order::text AS "listOrder", created_at::text AS "createdAt"`;
const ORDER = "ORDER BY priority DESC, list_order, created_at, id LIMIT $2";
const FIRST = `SELECT ${SELECTED} FROM tasks WHERE project_id = $1 ${ORDER}`;
/** Two ranges of the index: behind the last task within its priority, and the lower priorities. */
const FURTHER = `SELECT * FROM (
    (SELECT ${SELECTED} FROM tasks WHERE project_id = $1 AND priority = $3
      AND (list_order, created_at, id) > ($4::text::numeric, $5::text::timestamptz, $6) ${ORDER})
    UNION ALL
    (SELECT ${SELECTED} FROM tasks WHERE project_id = $1 AND priority < $3 ${ORDER})
  ) AS further ORDER BY priority DESC, "listOrder"::numeric, "createdAt"::timestamptz, id LIMIT $2`;

function valuesOf(projectId: string, after: TaskPlace | null, limit: number): unknown[] {
  if (!after) return [projectId, limit];
  return [projectId, limit, after.priority, after.listOrder, after.createdAt, after.id];
}
