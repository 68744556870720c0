import type { Database } from "../../hub/store/database.ts";

const ORGANIZATIONS = 100;
/** Four in each organization. */
const PROJECTS = 400;

/** `<prefix>_` and the number of a row, as wide as a ULID. */
const id = (prefix: string, number: string): string => `'${prefix}_' || lpad((${number})::text, 26, '0')`;
const pick = (type: string, values: readonly string[], number: string): string =>
  `(ARRAY['${values.join("','")}'])[${number} % ${values.length} + 1]::${type}`;

/** The id of row `number`, from 1 on, created by `fillTables`. */
export const rowId = (prefix: string, number: number): string => `${prefix}_${String(number).padStart(26, "0")}`;

interface Filled {
  table: string;
  rows: number;
  columns: string;
  /** For row `n`, from 1 on. */
  values: string;
}

const PROJECT = id("proj", `n % ${PROJECTS} + 1`);
const MODES = ["clarify", "plan", "execute", "review", "iterate"];

const TABLES: readonly Filled[] = [
  {
    table: "organizations",
    rows: ORGANIZATIONS,
    columns: "id, name, slug",
    values: `${id("org", "n")}, 'o', 'o' || n`,
  },
  {
    table: "users",
    rows: 50_000,
    columns: "id, monster_auth_user_id, email",
    values: `${id("user", "n")}, 'm' || n, n || '@example.test'`,
  },
  {
    table: "organization_memberships",
    rows: 50_000,
    columns: "id, organization_id, user_id, role, status",
    values: `${id("orgmem", "n")}, ${id("org", `n % ${ORGANIZATIONS} + 1`)}, ${id("user", "n")},
      ${pick("membership_role", ["member", "member", "member", "admin", "owner"], "n / 100")},
      ${pick("membership_status", ["active", "active", "active", "invited", "suspended"], "n / 7")}`,
  },
  {
    table: "projects",
    rows: PROJECTS,
    columns: "id, organization_id, name, slug",
    values: `${id("proj", "n")}, ${id("org", "(n - 1) / 4 + 1")}, 'p', 'p' || n`,
  },
  {
    table: "workstations",
    rows: 20_000,
    columns: "id, organization_id, name, status, last_seen_at",
    values: `${id("ws", "n")}, ${id("org", `n % ${ORGANIZATIONS} + 1`)}, 'w',
      ${pick("workstation_status", ["online", "offline", "offline", "suspended"], "n / 100")}, now() - n * interval '1 second'`,
  },
  {
    table: "agents",
    rows: 40_000,
    columns: "id, workstation_id, type, name, status",
    values: `${id("agent", "n")}, ${id("ws", "n % 20000 + 1")}, ${pick("agent_type", ["claude-code", "cursor", "opencode", "custom"], "n")}, 'a' || n,
      ${pick("agent_status", ["available", "busy", "rate_limited", "error", "disabled"], "n / 3")}`,
  },
  {
    table: "project_workstations",
    rows: 20_000,
    columns: "id, project_id, workstation_id",
    // Workstation n is of organization n % 100 + 1, whose projects are the four from n % 100 * 4 + 1 on.
    values: `${id("projws", "n")}, ${id("proj", `(n % ${ORGANIZATIONS}) * 4 + 1 + n / ${ORGANIZATIONS} % 4`)}, ${id("ws", "n")}`,
  },
  {
    table: "project_repositories",
    rows: 10_000,
    columns: "id, project_id, name, github_url",
    values: `${id("repo", "n")}, ${PROJECT}, 'r', 'https://github.test/' || n`,
  },
  {
    table: "workstation_repositories",
    rows: 40_000,
    columns: "id, workstation_id, project_repository_id, main_path, clone_status",
    values: `${id("wsrepo", "n")}, ${id("ws", "n % 20000 + 1")}, ${id("repo", "(n + n / 20000) % 10000 + 1")}, '/r',
      ${pick("clone_status", ["cloning", "ready", "error"], "n")}`,
  },
  {
    table: "git_worktrees",
    rows: 80_000,
    columns: "id, workstation_repository_id, branch, worktree_path, status",
    values: `${id("worktree", "n")}, ${id("wsrepo", "n % 40000 + 1")}, 'b' || n, '/w',
      ${pick("worktree_status", ["creating", "ready", "busy", "error"], "n")}`,
  },
  {
    table: "workflow_templates",
    rows: 10_000,
    columns: "id, project_id, name, mode_sequence, is_default",
    values: `${id("wftpl", "n")}, ${PROJECT}, 'f', '[]'::jsonb, n <= ${PROJECTS}`,
  },
  {
    table: "actors",
    rows: 10_000,
    columns: "id, project_id, name, is_default",
    values: `${id("actor", "n")}, ${PROJECT}, 'a', n <= ${PROJECTS}`,
  },
  {
    table: "tasks",
    rows: 100_000,
    columns: `id, project_id, title, priority, list, list_order, mode, workflow_template_id, project_repository_id, actor_id, ready,
      agent_session_status, active_agent_id, created_at`,
    values: `${id("task", "n")}, ${PROJECT}, 't', n / 400 % 5 + 1,
      ${pick("task_list", ["todo", "doing", "review", "done", "done", "done", "loop"], "n / 400")}, n % 9000,
      ${pick("task_mode", MODES, "n / 800")}, ${id("wftpl", "n % 10000 + 1")}, ${id("repo", "n % 10000 + 1")}, ${id("actor", "n % 10000 + 1")},
      n / 400 % 3 = 0, ${pick("task_session_status", ["INACTIVE", "INACTIVE", "INACTIVE", "PUSHING", "ACTIVE"], "n / 1200")},
      CASE WHEN n % 20 = 0 THEN ${id("agent", "n % 40000 + 1")} END, now() - n * interval '1 second'`,
  },
  {
    table: "task_dependencies",
    rows: 100_000,
    columns: "id, task_id, depends_on_task_id, dependency_type, status",
    // Task n and task n + 400 are of one project.
    values: `${id("taskdep", "n")}, ${id("task", "n")}, ${id("task", "(n + 399) % 100000 + 1")},
      ${pick("dependency_type", ["blocks", "relates_to"], "n / 3")}, ${pick("dependency_status", ["active", "resolved"], "n / 5")}`,
  },
  {
    table: "task_agents",
    rows: 100_000,
    columns: "id, task_id, agent_id",
    values: `${id("taskagent", "n")}, ${id("task", "n")}, ${id("agent", "n % 40000 + 1")}`,
  },
  {
    table: "task_attachments",
    rows: 100_000,
    columns: "id, task_id, filename, original_filename, storage_path, attachment_type",
    values: `${id("attach", "n")}, ${id("task", "n")}, 'f', 'f', '/f',
      ${pick("attachment_type", ["spec", "wireframe", "reference", "feedback", "other"], "n")}`,
  },
  {
    table: "agent_sessions",
    rows: 100_000,
    columns: "id, task_id, agent_id, worktree_id, mode, status, started_at",
    values: `${id("session", "n")}, ${id("task", "n")}, ${id("agent", "n % 40000 + 1")}, ${id("worktree", "n % 80000 + 1")},
      ${pick("task_mode", MODES, "n")},
      ${pick("session_status", ["completed", "completed", "completed", "failed", "timeout", "active", "starting"], "n / 3")},
      now() - n * interval '1 second'`,
  },
  {
    table: "audit_events",
    rows: 200_000,
    columns: "at, principal, organization_id, project_id, entity, row_id, operation, after",
    values: `now() - (200000 - n) * interval '1 second', 'user:' || ${id("user", "n % 10000 + 1")}, ${id("org", `(n % ${PROJECTS}) / 4 + 1`)},
      ${PROJECT}, ${pick("text", ["tasks", "tasks", "agent_sessions", "projects"], "n / 400")}, ${id("task", "n % 100000 + 1")},
      ${pick("audit_operation", ["created", "updated", "updated", "updated", "deleted"], "n / 1600")}, '{}'::jsonb`,
  },
];

/** Fills every table of callers and the audit trail with rows of many tenants, without their triggers. */
export async function fillTables(database: Database): Promise<void> {
  await database.unlimited.begin(async (sql) => {
    await sql`SET LOCAL session_replication_role = replica`;
    for (const { table, rows, columns, values } of TABLES)
      await sql.unsafe(`INSERT INTO ${table} (${columns}) SELECT ${values} FROM generate_series(1, ${rows}) n`);
  });
  await database.unlimited.unsafe("VACUUM ANALYZE");
}
