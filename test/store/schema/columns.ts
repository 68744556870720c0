import { equal, is, ok } from "uvu/assert";
import { idFor, insertRow, makeEverything, makeWorld, type Rows, refusalOf, TABLES, type Table } from "./rows.ts";

/** One behaviour of the schema, tested on each version of Postgres. */
export type SchemaCase = readonly [behaviour: string, run: (rows: Rows) => Promise<void>];

const CHECK = "23514";
const NOT_NULL = "23502";
const UNIQUE = "23505";
const ENUM = "22P02";

/** Values that are each rejected: table, column, value. */
const REFUSED: readonly (readonly [Table, string, unknown])[] = [
  ["tasks", "priority", 0],
  ["tasks", "priority", 6],
  ["tasks", "dependency_count", -1],
  ["tasks", "workflow_config", { mode: "plan" }],
  ["tasks", "plan_steps", "text"],
  ["workstations", "dev_server_port", 0],
  ["workstations", "dev_server_port", 65_536],
  ["workstations", "presence_generation", -1],
  ["workstations", "presence_revision", -1],
  ["workstations", "realtime_presence_meta", []],
  ["workstations", "registration_token", "wst_plain"],
  ["agents", "max_concurrency_limit", -1],
  ["agents", "environment_vars", []],
  ["project_repositories", "max_concurrent_tasks", -1],
  ["workflow_templates", "mode_sequence", {}],
  ["workflow_templates", "mode_sequence", [{ mode: "sleep", requireReview: true }]],
  ["workflow_templates", "mode_sequence", [{ mode: ["plan"], requireReview: true }]],
  ["workflow_templates", "mode_sequence", [{ mode: "plan", requireReview: "yes" }]],
  ["workflow_templates", "mode_sequence", [{ mode: "plan" }]],
  ["workflow_templates", "mode_sequence", [{ requireReview: true }]],
  ["workflow_templates", "mode_sequence", ["plan"]],
  ["actors", "focus_areas", {}],
  ["task_attachments", "file_size", -1],
  ["agent_sessions", "recovery_attempts", -1],
];

const WRONG_ENUMS: readonly (readonly [Table, string])[] = [
  ["organization_memberships", "role"],
  ["organization_memberships", "status"],
  ["workstations", "status"],
  ["agents", "type"],
  ["agents", "status"],
  ["projects", "status"],
  ["project_repositories", "status"],
  ["workstation_repositories", "clone_status"],
  ["git_worktrees", "status"],
  ["tasks", "list"],
  ["tasks", "mode"],
  ["tasks", "agent_session_status"],
  ["task_dependencies", "dependency_type"],
  ["task_dependencies", "status"],
  ["task_attachments", "storage_provider"],
  ["task_attachments", "attachment_type"],
  ["agent_sessions", "mode"],
  ["agent_sessions", "status"],
];

export const columnCases: readonly SchemaCase[] = [
  [
    "an id is a prefix of its table and a ULID, and never changes",
    async (rows) => {
      const ids = await makeEverything(rows);
      for (const table of TABLES) {
        const id = ids[table];
        equal((await refusalOf(rows.set(table, id, { id: idFor(table) }))).constraint, "tenant_is_fixed", table);
        const [definition] = await rows.sql<{ text: string }[]>`
          SELECT pg_get_constraintdef(oid) AS text FROM pg_constraint
          WHERE conrelid = ${table}::regclass AND conname = ${`${table}_id_check`}`;
        ok(definition?.text.includes(`^${id.split("_")[0]}_`), table);
      }
      for (const id of ["ws_1", idFor("workstations"), `org_${"I".repeat(26)}`, idFor("organizations").toLowerCase()]) {
        is((await refusalOf(rows.insert("organizations", { id }))).code, CHECK, id);
      }
    },
  ],
  [
    "a column with a default is never null",
    async (rows) => {
      const nullable = await rows.sql<{ name: string }[]>`
        SELECT table_name || '.' || column_name AS name FROM information_schema.columns
        WHERE table_schema = 'public' AND column_default IS NOT NULL AND is_nullable = 'YES'`;
      equal(
        nullable.map(({ name }) => name),
        [],
      );
      const { project } = await makeWorld(rows);
      const refusal = await refusalOf(rows.insert("tasks", { project_id: project, list: null }));
      equal(refusal, { code: NOT_NULL, constraint: "list" });
    },
  ],
  [
    "timestamps hold milliseconds and their zone",
    async (rows) => {
      const others = await rows.sql<{ name: string }[]>`
        SELECT table_name || '.' || column_name AS name FROM information_schema.columns
        WHERE table_schema = 'public' AND (data_type LIKE 'timestamp without%' OR (data_type LIKE 'timestamp with %' AND datetime_precision <> 3))`;
      equal(
        others.map(({ name }) => name),
        [],
      );
    },
  ],
  [
    "values out of bounds or of another form are rejected",
    async (rows) => {
      const ids = await makeEverything(rows);
      for (const [table, column, value] of REFUSED) {
        const json = typeof value === "object" || column === "plan_steps" ? rows.sql.json(value as never) : value;
        const refusal = await refusalOf(rows.set(table, ids[table], { [column]: json }));
        is(refusal.code, CHECK, `${table}.${column} = ${JSON.stringify(value)}`);
        ok(refusal.constraint.includes(column), refusal.constraint);
      }
    },
  ],
  [
    "all 18 enum columns reject other values",
    async (rows) => {
      const ids = await makeEverything(rows);
      for (const [table, column] of WRONG_ENUMS) {
        const refusal = await refusalOf(rows.set(table, ids[table], { [column]: "nonsense" }));
        is(refusal.code, ENUM, `${table}.${column}`);
      }
      is(WRONG_ENUMS.length, 18);
    },
  ],
  [
    "unique columns of the seed are unique, and so are registration tokens and a workstation's agents",
    async (rows) => {
      const ids = await makeEverything(rows);
      const digest = "a".repeat(64);
      await rows.set("workstations", ids.workstations, { registration_token: digest });
      await rows.set("projects", ids.projects, { slug: "one" });
      const again: readonly (readonly [Table, readonly string[]])[] = [
        ["organizations", ["slug", "name"]],
        ["users", ["monster_auth_user_id", "email"]],
        ["organization_memberships", ["organization_id", "user_id"]],
        ["workstations", ["registration_token", "organization_id", "name"]],
        ["agents", ["workstation_id", "type", "name"]],
        ["projects", ["organization_id", "slug", "name"]],
        ["project_repositories", ["project_id", "github_url", "name"]],
        ["workstation_repositories", ["workstation_id", "project_repository_id", "main_path"]],
        ["git_worktrees", ["workstation_repository_id", "branch", "worktree_path"]],
        ["project_workstations", ["project_id", "workstation_id"]],
        ["task_agents", ["task_id", "agent_id"]],
        ["task_dependencies", ["task_id", "depends_on_task_id"]],
      ];
      for (const [table, columns] of again) {
        const row = await rows.get(table, ids[table]);
        const copy = Object.fromEntries(columns.map((column) => [column, row[column]]));
        is((await refusalOf(insertRow(rows.sql, table, copy))).code, UNIQUE, table);
      }
    },
  ],
  [
    "updated_at grows by at least a millisecond with a change and stays without one",
    async (rows) => {
      const { project } = await makeWorld(rows);
      const task = await rows.insert("tasks", { project_id: project });
      const at = async () => ((await rows.get("tasks", task)).updated_at as Date).getTime();
      const first = await at();
      await rows.sql.begin(async (sql) => {
        await sql`UPDATE tasks SET title = 'b' WHERE id = ${task}`;
        await sql`UPDATE tasks SET title = 'c' WHERE id = ${task}`;
      });
      const second = await at();
      ok(second >= first + 2, "two changes of one transaction are two versions");
      await rows.set("tasks", task, { title: "c", updated_at: new Date(0) });
      is(await at(), second, "nothing but updated_at itself changed");
      await rows.sql`UPDATE tasks SET updated_at = now() + interval '1 hour', title = 'd' WHERE id = ${task}`;
      ok((await at()) < Date.now() + 60_000, "no writer sets it");
    },
  ],
  [
    "counters and presence don't touch updated_at, a suspension does",
    async (rows) => {
      const { workstation, agent, organization } = await makeWorld(rows);
      const user = await rows.insert("users");
      const version = async (table: Table, id: string) => ((await rows.get(table, id)).updated_at as Date).getTime();
      const same = async (table: Table, id: string, values: Record<string, unknown>) => {
        const before = await version(table, id);
        await rows.set(table, id, values);
        is(await version(table, id), before, `${table} ${Object.keys(values)}`);
      };
      await same("agents", agent, { tasks_completed: 1, total_execution_time: 5, last_task_pushed_at: new Date() });
      await same("users", user, { last_active_at: new Date(Date.now() + 3_600_000) });
      await same("workstations", workstation, {
        status: "online",
        last_seen_at: new Date(),
        presence_generation: "1",
        presence_revision: "1",
        realtime_presence_meta: rows.sql.json({ status: "online" }),
        dev_server_enabled: true,
        cli_version: "1",
      });
      const before = await version("workstations", workstation);
      await rows.set("workstations", workstation, { status: "suspended" });
      ok((await version("workstations", workstation)) > before);
      is((await rows.get("workstations", workstation)).organization_id, organization);
    },
  ],
  [
    "last_active_at moves by the minute",
    async (rows) => {
      const user = await rows.insert("users");
      const at = async () => ((await rows.get("users", user)).last_active_at as Date).getTime();
      const first = await at();
      await rows.set("users", user, { last_active_at: new Date(first + 59_000) });
      is(await at(), first);
      await rows.set("users", user, { last_active_at: new Date(first + 61_000) });
      is(await at(), first + 61_000);
    },
  ],
];
