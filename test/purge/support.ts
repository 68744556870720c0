import { pino } from "pino";
import { ulid } from "ulid";
import { Purger, type PurgerOptions } from "../../hub/purge/purger.ts";
import type { Database } from "../../hub/store/database.ts";
import type { Tenant, World } from "../support/rpc-world.ts";
import { until } from "../support/until.ts";

/** For tests that purge thousands of rows. */
export const LIMIT_MS = 60_000;

/** Adds that many tasks to a project in one statement, without triggers, to save time. */
export async function fillProject(database: Database, projectId: string, tasks: number): Promise<void> {
  await database.unlimited.begin(async (sql) => {
    await sql`SET LOCAL session_replication_role = replica`;
    await sql`INSERT INTO tasks (id, project_id, title, priority, list_order)
      SELECT 'task_' || lpad(n::text, 26, '0'), ${projectId}, 'Task ' || n, n % 5 + 1, n % 9000 FROM generate_series(1, ${tasks}) n`;
    await sql`INSERT INTO audit_scope (entity, row_id, organization_id, project_id, task_id)
      SELECT 'tasks', t.id, p.organization_id, p.id, t.id FROM tasks t JOIN projects p ON p.id = t.project_id
      WHERE p.id = ${projectId} ON CONFLICT DO NOTHING`;
  });
}

/**
 * A row of each table below a project: two tasks that depend on each other, a session in a worktree of a clone, and so
 * on.
 */
export async function furnish(
  database: Database,
  tenant: Tenant,
): Promise<{ sessionId: string; repositoryId: string }> {
  const { projectId, taskId, agentId, workstationId } = tenant;
  const [other, repositoryId, cloneId] = [`task_${ulid()}`, `repo_${ulid()}`, `wsrepo_${ulid()}`];
  const [worktreeId, sessionId] = [`worktree_${ulid()}`, `session_${ulid()}`];
  await database.transaction("test", async (sql) => {
    await sql`INSERT INTO project_repositories (id, project_id, name, github_url) VALUES (${repositoryId}, ${projectId}, 'R', 'https://github.com/a/b')`;
    await sql`INSERT INTO workstation_repositories (id, workstation_id, project_repository_id, main_path) VALUES (${cloneId}, ${workstationId}, ${repositoryId}, '/r')`;
    await sql`INSERT INTO git_worktrees (id, workstation_repository_id, branch, worktree_path, status, active_task_count) VALUES (${worktreeId}, ${cloneId}, 'b', '/b', 'ready', 1)`;
    await sql`UPDATE tasks SET project_repository_id = ${repositoryId}, ready = true, agent_session_status = 'ACTIVE', active_agent_id = ${agentId},
      last_agent_session_id = ${sessionId}, workflow_template_id = ${tenant.templateId}, actor_id = ${tenant.actorId} WHERE id = ${taskId}`;
    await sql`INSERT INTO tasks (id, project_id, title) VALUES (${other}, ${projectId}, 'waits')`;
    await sql`INSERT INTO task_dependencies (id, task_id, depends_on_task_id) VALUES (${`taskdep_${ulid()}`}, ${other}, ${taskId})`;
    await sql`INSERT INTO task_agents (id, task_id, agent_id) VALUES (${`taskagent_${ulid()}`}, ${taskId}, ${agentId})`;
    await sql`INSERT INTO task_attachments (id, task_id, filename, original_filename, storage_path) VALUES (${`attach_${ulid()}`}, ${taskId}, 'f', 'f', '/f')`;
    await sql`INSERT INTO agent_sessions (id, task_id, agent_id, worktree_id, status) VALUES (${sessionId}, ${taskId}, ${agentId}, ${worktreeId}, 'active')`;
  });
  return { sessionId, repositoryId };
}

/** Runs `body` while a purger removes due rows. */
export async function withPurger(
  database: Database,
  settings: Partial<Pick<PurgerOptions, "days" | "intervalMs" | "turnMs">>,
  body: (purger: Purger) => Promise<void>,
): Promise<void> {
  const purger = new Purger({
    database,
    nodeId: "node_a",
    days: 30,
    intervalMs: 50,
    restShare: 0,
    log: pino({ level: "silent" }),
    ...settings,
  });
  purger.start();
  try {
    await body(purger);
  } finally {
    await purger.close();
  }
}

/** Every text column of every table that contains this id, as `table.column: rows`; also inside of JSON. */
export async function tracesOf(
  { unlimited: sql }: Database,
  id: string,
  except: readonly string[] = [],
): Promise<string[]> {
  const columns = await sql<{ table: string; column: string }[]>`
    SELECT c.relname AS table, a.attname AS column FROM pg_class c
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    WHERE c.relkind = 'r' AND c.relnamespace = current_schema()::regnamespace AND a.atttypid::regtype::text IN ('text', 'character varying', 'jsonb')`;
  const found: string[] = [];
  for (const { table, column } of columns) {
    if (except.includes(table)) continue;
    const [row] = await sql.unsafe<{ count: number }[]>(
      `SELECT count(*)::int AS count FROM ${table} WHERE strpos(${column}::text, $1) > 0`,
      [id],
    );
    if (row && row.count > 0) found.push(`${table}.${column}: ${row.count}`);
  }
  return found;
}

export async function marksOf(database: Database): Promise<string[]> {
  const rows = await database.query((sql) => sql<{ id: string }[]>`SELECT row_id AS id FROM purges ORDER BY row_id`);
  return rows.map(({ id }) => id);
}

export async function untilRemoved(database: Database): Promise<void> {
  await until("nothing is left to be removed", async () => (await marksOf(database)).length === 0, LIMIT_MS);
}

/** The number of tasks of the tenant's project. */
export async function rowsOf({ database }: World, { projectId }: Tenant): Promise<number> {
  const [row] = await database.query(
    (sql) => sql<{ n: number }[]>`SELECT count(*)::int AS n FROM tasks WHERE project_id = ${projectId}`,
  );
  return row?.n ?? 0;
}
