import type { TransactionSql } from "postgres";
import { is, ok } from "uvu/assert";
import type { Database } from "../../hub/store/database.ts";
import { withDatabase } from "../support/database.ts";
import { suite } from "../support/suite.ts";

const test = suite("the primary query patterns");
const ROWS = 50_000;

/** `<prefix>_` and the number of a row, as wide as a ULID. */
const id = (prefix: string, number: string): string => `'${prefix}_' || lpad((${number})::text, 26, '0')`;

/** 50,000 rows in each of the four tables, spread over 50 organizations, projects and workstations of some. */
async function fill(database: Database): Promise<void> {
  await database.unlimited.begin(async (sql) => {
    await sql.unsafe(`
      -- Only the plans matter: rows are inserted without their triggers.
      SET LOCAL session_replication_role = replica;
      INSERT INTO organizations (id, name, slug) SELECT ${id("org", "n")}, 'o', 'o' || n FROM generate_series(1, 50) n;
      INSERT INTO projects (id, organization_id, name) SELECT ${id("proj", "n")}, ${id("org", "n")}, 'p' FROM generate_series(1, 50) n;
      INSERT INTO workstations (id, organization_id, name, status, last_seen_at)
        SELECT ${id("ws", "n")}, ${id("org", "n % 50 + 1")}, 'w', (ARRAY['online', 'offline'])[n % 7 / 5 + 1]::workstation_status, now() - n * interval '1 second'
        FROM generate_series(1, ${ROWS}) n;
      INSERT INTO agents (id, workstation_id, type, name, status)
        SELECT ${id("agent", "n")}, ${id("ws", "n % 50 + 1")}, 'claude-code', 'a' || n, (ARRAY['available', 'busy', 'error'])[n % 3 + 1]::agent_status
        FROM generate_series(1, ${ROWS}) n;
      INSERT INTO tasks (id, project_id, title, priority, list, list_order, ready, agent_session_status, created_at)
        SELECT ${id("task", "n")}, ${id("proj", "n % 50 + 1")}, 't', n % 5 + 1, (ARRAY['todo', 'doing', 'review', 'done', 'loop'])[n % 11 % 5 + 1]::task_list,
          n % 9000, n % 3 = 0, (ARRAY['INACTIVE', 'ACTIVE'])[n % 4 / 3 + 1]::task_session_status, now() - n * interval '1 second'
        FROM generate_series(1, ${ROWS}) n;
      INSERT INTO task_dependencies (id, task_id, depends_on_task_id, status)
        SELECT ${id("taskdep", "n")}, ${id("task", "n")}, ${id("task", "n * 7 % 50000 + 1")}, (ARRAY['active', 'resolved'])[n % 2 + 1]::dependency_status
        FROM generate_series(1, ${ROWS}) n WHERE n <> n * 7 % 50000 + 1`);
  });
  await database.unlimited.unsafe("ANALYZE");
}

interface Plan {
  text: string;
  indexes: string[];
}

async function explain(sql: TransactionSql, statement: string, values: string[]): Promise<Plan> {
  const rows = await sql.unsafe<{ "QUERY PLAN": string }[]>(`EXPLAIN ${statement}`, values);
  const text = rows.map((row) => row["QUERY PLAN"]).join("\n");
  return { text, indexes: [...text.matchAll(/(?:using|Index Scan on) (idx_\w+)/g)].map((match) => match[1] ?? "") };
}

const PATTERNS: readonly (readonly [behaviour: string, index: RegExp, statement: string, values: string[]])[] = [
  [
    "tasks to assign",
    /^idx_task_assignment$/,
    `SELECT * FROM tasks WHERE ready AND agent_session_status = 'INACTIVE' AND list = 'todo'
     ORDER BY priority DESC, list_order, created_at LIMIT 20`,
    [],
  ],
  [
    "a list of a project",
    /^idx_(?:project_tasks_active|tasks_board)$/,
    "SELECT * FROM tasks WHERE project_id = $1 AND list = $2 ORDER BY priority DESC, list_order LIMIT 50",
    [`proj_${"1".padStart(26, "0")}`, "doing"],
  ],
  [
    "available agents of a workstation",
    /^idx_agent_availability$/,
    "SELECT * FROM agents WHERE workstation_id = $1 AND status = 'available'",
    [`ws_${"9".padStart(26, "0")}`],
  ],
  [
    "workstations that are online, newest first",
    /^idx_workstation_monitoring$/,
    "SELECT * FROM workstations WHERE organization_id = $1 AND status = 'online' ORDER BY last_seen_at DESC LIMIT 100",
    [`org_${"1".padStart(26, "0")}`],
  ],
  [
    "tasks that wait for a task",
    /^idx_dependency_resolution$/,
    "SELECT * FROM task_dependencies WHERE depends_on_task_id = $1 AND status = 'active'",
    [`task_${"9".padStart(26, "0")}`],
  ],
];

test(
  `each of the five is read from its index, in its order, among ${ROWS} rows`,
  () =>
    withDatabase(async (database) => {
      await fill(database);
      for (const [behaviour, index, statement, values] of PATTERNS) {
        const { text, indexes } = await database.unlimited.begin((sql) => explain(sql, statement, values));
        ok(
          indexes.some((name) => index.test(name)),
          `${behaviour}:\n${text}`,
        );
        is(/\bSort\b|Seq Scan/.test(text), false, `${behaviour}:\n${text}`);
      }
      // The board's index serves every list; without it the seed's own index serves the lists it is made for.
      const [, , statement, values] = PATTERNS[1] ?? [];
      const { text } = await database.unlimited.begin(async (sql) => {
        await sql.unsafe("DROP INDEX idx_tasks_board");
        return explain(sql, statement ?? "", values ?? []);
      });
      ok(text.includes("idx_project_tasks_active") && !/\bSort\b/.test(text), text);
    }),
  60_000,
);

const CHANGED = 20_000;

test(
  `a change of ${CHANGED} rows takes no longer in a session that changed a single one before`,
  () =>
    withDatabase(async (database) => {
      await fill(database);
      await database.unlimited.unsafe(
        `INSERT INTO audit_scope (entity, row_id, organization_id, project_id, task_id)
          SELECT 'tasks', t.id, p.organization_id, p.id, t.id FROM tasks t JOIN projects p ON p.id = t.project_id`,
      );
      await database.unlimited.unsafe("ANALYZE");
      const secondsOf = (first: string | null) =>
        database.unlimited.begin(async (sql) => {
          // The session caches plans: this one begins without any.
          await sql`DISCARD PLANS`;
          if (first) await sql.unsafe(first);
          const begun = performance.now();
          await sql`UPDATE tasks SET title = title || '.' WHERE id < ${`task_${String(CHANGED).padStart(26, "0")}`}`;
          return (performance.now() - begun) / 1_000;
        });
      const alone = await secondsOf(null);
      const after = await secondsOf(`UPDATE tasks SET title = 'one' WHERE id = ${id("task", "1")}`);
      ok(after < 4 * alone, `${after.toFixed(1)} s, ${alone.toFixed(1)} s alone`);
    }),
  120_000,
);

test.run();
