import { runSql, type Transaction } from "../kernel/statements.ts";
import { SCALE, spread, stepBetween } from "./list-numbers.ts";

/** One list of a project's board. */
export interface BoardList {
  projectId: string;
  list: string;
}
/** The fields that determine a task's position. The board's order is (priority, listOrder, createdAt, id). */
export interface TaskSpot extends BoardList {
  id: string;
  priority: number;
  listOrder: number;
  createdAt: Date;
}
/** A position directly after or before a task of the list. */
export interface Beside {
  side: "after" | "before";
  spot: TaskSpot;
}
/** A task with its new `listOrder`. */
export interface Renumbered {
  id: string;
  listOrder: number;
  updatedAt: string;
}
export interface Placed {
  listOrder: number;
  /** Neighbouring tasks whose `listOrder` changed to make room, in list order. */
  renumbered: Renumbered[];
}

interface Step {
  id: string;
  step: number;
}
type Side = "below" | "above";

const FIRST_WINDOW = 8;

/**
 * Computes the `listOrder` for a task in `list`: directly beside another task, or after all tasks if `beside` is null.
 * It ignores priorities, so that a task keeps its position among all tasks of the list when a priority changes. If
 * there is no number left in the gap, it renumbers as few neighbours as possible. `mover` is the task to place, if it
 * is in the list already. The caller holds the project's lock, so that two tasks never get the same position.
 */
export async function placeIn(
  sql: Transaction,
  list: BoardList,
  beside: Beside | null,
  mover: string | null,
): Promise<Placed> {
  const nearest = (side: Side, count: number) => nearestSteps(sql, list, { beside, mover, side, count });
  const [below] = await nearest("below", 1);
  const [above] = await nearest("above", 1);
  const free = stepBetween(below?.step ?? null, above?.step ?? null);
  if (free !== null) return { listOrder: free / SCALE, renumbered: [] };
  return respace(sql, nearest);
}

/** Locks these tasks and returns their positions, by id. */
export async function spotsOf(sql: Transaction, ids: readonly string[]): Promise<Map<string, TaskSpot>> {
  const found = await runSql(
    sql,
    `SELECT id, project_id AS "projectId", list, priority, list_order::float8 AS "listOrder", created_at AS "createdAt"
    FROM tasks WHERE id = ANY($1::text[]) ORDER BY id FOR NO KEY UPDATE`,
    [[...ids]],
  );
  return new Map(found.map((row) => [String(row.id), row as TaskSpot]));
}

/** Locks the project's board: no other transaction places tasks in it until this one ends. */
export async function lockBoard(sql: Transaction, projectId: string): Promise<void> {
  await runSql(sql, "SELECT FROM projects WHERE id = $1 FOR NO KEY UPDATE", [projectId]);
}

/** Renumbers a window of tasks around the gap. The window widens until the numbers around it leave enough room. */
async function respace(sql: Transaction, nearest: (side: Side, count: number) => Promise<Step[]>): Promise<Placed> {
  for (let width = FIRST_WINDOW; ; width *= 2) {
    const [below, above] = [await nearest("below", width + 1), await nearest("above", width + 1)];
    const [before, behind] = [below.slice(0, width).reverse(), above.slice(0, width)];
    const steps = spread(below[width]?.step ?? null, above[width]?.step ?? null, before.length + 1 + behind.length);
    const own = steps?.[before.length];
    if (!steps || own === undefined) continue;
    const others = steps.filter((_, place) => place !== before.length);
    const moved = [...before, ...behind].map(({ id, step }, place) => ({ id, from: step, to: others[place] ?? step }));
    const renumbered = await renumber(
      sql,
      moved.filter(({ from, to }) => from !== to),
    );
    return { listOrder: own / SCALE, renumbered };
  }
}

/**
 * Records that tasks were renumbered. After the commit, the change feed publishes it to the board's subscribers as one
 * `task:reordered`.
 */
export async function announce(
  sql: Transaction,
  { projectId, list }: BoardList,
  renumbered: readonly Renumbered[],
): Promise<void> {
  if (renumbered.length === 0) return;
  await runSql(
    sql,
    `INSERT INTO audit_events (principal, organization_id, project_id, entity, row_id, operation, after, lane)
    SELECT current_setting('hub.principal'), organization_id, id, 'projects', id, 'reordered', $2::text::jsonb, hub_lane('tasks')
    FROM projects WHERE id = $1`,
    [projectId, JSON.stringify({ projectId, list, tasks: renumbered })],
  );
}

/** Renumbers without a publication for each row: `announce` publishes all of them together. */
async function renumber(sql: Transaction, moved: readonly { id: string; to: number }[]): Promise<Renumbered[]> {
  const [setting] = await runSql(sql, `SELECT coalesce(current_setting('hub.audit_publish', true), '') AS publish`, []);
  await setPublishing(sql, "off");
  const rows = await runSql(
    sql,
    `UPDATE tasks SET list_order = moved.step / ${SCALE}::numeric
    FROM unnest($1::text[], $2::bigint[]) AS moved (id, step) WHERE tasks.id = moved.id
    RETURNING tasks.id, tasks.list_order::float8 AS "listOrder", tasks.updated_at AS "updatedAt"`,
    [moved.map(({ id }) => id), moved.map(({ to }) => String(to))],
  );
  await setPublishing(sql, String(setting?.publish));
  return rows
    .map(({ id, listOrder, updatedAt }) => ({ id, listOrder, updatedAt: updatedAt.toISOString() }))
    .sort((a, b) => a.listOrder - b.listOrder);
}

async function setPublishing(sql: Transaction, publish: string): Promise<void> {
  await runSql(sql, `SELECT set_config('hub.audit_publish', $1, true)`, [publish]);
}

interface NearestQuery {
  beside: Beside | null;
  mover: string | null;
  side: Side;
  count: number;
}

/** The list's tasks on one side of a gap, nearest first. */
async function nearestSteps(
  sql: Transaction,
  { projectId, list }: BoardList,
  { beside, mover, side, count }: NearestQuery,
): Promise<Step[]> {
  if (!beside && side === "above") return [];
  const values: unknown[] = [projectId, list, mover, count];
  if (beside) values.push(beside.spot.listOrder, beside.spot.createdAt, beside.spot.id);
  const order = ["list_order", "created_at", "id"].map((key) => `${key}${side === "below" ? " DESC" : ""}`).join(", ");
  // One query per priority, because the priority is the first column of the board's index.
  const rows = await runSql(
    sql,
    `SELECT id, (list_order * ${SCALE})::float8 AS step
    FROM generate_series(1, 5) AS priorities (priority) CROSS JOIN LATERAL (
      SELECT id, list_order, created_at FROM tasks
      WHERE project_id = $1 AND list = $2::text::task_list AND tasks.priority = priorities.priority
        AND id IS DISTINCT FROM $3::text AND ${beside ? onSide(side, beside.side) : "true"}
      ORDER BY ${order} LIMIT $4) AS near
    ORDER BY ${order} LIMIT $4`,
    values,
  );
  return rows as unknown as Step[];
}

/** SQL: whether a task lies on this side of a gap after or before the task of $5, $6 and $7. */
function onSide(side: Side, gap: Beside["side"]): string {
  const comparison = { below: { after: "<=", before: "<" }, above: { after: ">", before: ">=" } }[side][gap];
  return `(list_order, created_at, id) ${comparison} ($5::float8::numeric(10, 5), $6::timestamptz, $7::text)`;
}
