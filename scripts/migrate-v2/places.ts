import type { PendingQuery } from "postgres";
import type { Statements } from "./source.ts";

type Query = <Row extends object>(ask: (sql: Statements) => PendingQuery<Row[]>) => Promise<Row[]>;

interface Place {
  last: number;
  step: number;
}

const FIRST = 1_000;
const STEP = 10;
/** The limit of DECIMAL(10,5) is 100,000. */
const LAST = 99_990;
/** The column keeps five decimals. */
const PRECISION = 1e5;

/** Positions on the boards: after the existing tasks, ten apart, or closer if a list is long. */
export class Places {
  readonly #places: ReadonlyMap<string, Place>;

  constructor(places: ReadonlyMap<string, Place>) {
    this.#places = places;
  }

  /** Reads the size of each list and the number of tasks to come. `listOf` maps a status to its list. */
  static async read(query: Query, listOf: (status: string | null) => string): Promise<Places> {
    const held = await query(
      (sql) => sql<{ project: string; list: string; last: number }[]>`
        SELECT project_id AS project, list::text, max(list_order)::float8 AS last FROM tasks
        WHERE project_id IN (SELECT v3_id FROM v2_id_map WHERE kind = 'projects') GROUP BY 1, 2`,
    );
    const coming = await query(
      (sql) => sql<{ project: string; status: string | null; tasks: number }[]>`
        SELECT parent.v3_id AS project, status::text, count(*)::float8 AS tasks
        FROM v2_tasks source JOIN v2_id_map parent ON parent.kind = 'projects' AND parent.v2_id = source.project_id::text
        WHERE NOT EXISTS (SELECT FROM v2_id_map WHERE kind = 'tasks' AND v2_id = source.id::text)
        GROUP BY 1, 2`,
    );
    const last = new Map(held.map((row) => [keyOf(row.project, row.list), row.last]));
    const counts = new Map<string, number>();
    for (const { project, status, tasks } of coming) {
      const key = keyOf(project, listOf(status));
      counts.set(key, (counts.get(key) ?? 0) + tasks);
    }
    return new Places(
      new Map([...counts].map(([key, count]) => [key, placeBehind(last.get(key) ?? FIRST - STEP, count)])),
    );
  }

  next(project: string, list: string): number {
    const place = this.#places.get(keyOf(project, list));
    if (!place)
      throw new Error(
        "A task was not counted: another program changes version 2 during the migration. Stop it, and run this again.",
      );
    place.last += place.step;
    return Math.round(place.last * PRECISION) / PRECISION;
  }
}

function placeBehind(last: number, count: number): Place {
  return { last, step: Math.min(STEP, (LAST - last) / (count + 1)) };
}

const keyOf = (project: string, list: string) => `${project} ${list}`;
