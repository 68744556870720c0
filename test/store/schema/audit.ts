import { equal, is, ok } from "uvu/assert";
import type { SchemaCase } from "./columns.ts";
import { makeEverything, makeWorld, type Rows, TABLES } from "./rows.ts";

interface AuditRow {
  id: string;
  principal: string;
  organization_id: string | null;
  project_id: string | null;
  entity: string;
  row_id: string;
  operation: string;
  before: Record<string, unknown> | null;
  after: Record<string, unknown> | null;
  pending: boolean;
}

const eventsOf = async (rows: Rows, row?: string): Promise<AuditRow[]> => [
  ...(await rows.sql<AuditRow[]>`
    SELECT e.*, p.id IS NOT NULL AS pending FROM audit_events e LEFT JOIN audit_pending p USING (id)
    WHERE ${row ?? null}::text IS NULL OR row_id = ${row ?? null} ORDER BY e.id`),
];

const ROWS_OF_A_PROJECT = [
  "projects",
  "project_repositories",
  "workstation_repositories",
  "git_worktrees",
  "project_workstations",
  "workflow_templates",
  "actors",
  "tasks",
  "task_dependencies",
  "task_agents",
  "task_attachments",
  "agent_sessions",
] as const;

export const auditCases: readonly SchemaCase[] = [
  [
    "every table is audited with its organization and project",
    async (rows) => {
      const ids = await makeEverything(rows);
      for (const table of TABLES) {
        const [created] = await eventsOf(rows, ids[table]);
        equal([created?.operation, created?.entity, created?.before, created?.pending], ["created", table, null, true]);
        is(created?.organization_id, table === "users" ? null : ids.organizations, table);
        const inProject = ROWS_OF_A_PROJECT.some((name) => name === table);
        is(created?.project_id, inProject ? ids.projects : null, table);
        is(created?.after?.id, ids[table]);
      }
    },
  ],
  [
    "a deletion is told with the organization and project of every row that goes, parents first or not",
    async (rows) => {
      const ids = await makeEverything(rows);
      await rows.set("tasks", ids.tasks, { workflow_template_id: ids.workflow_templates, actor_id: ids.actors });
      await rows.delete("projects", ids.projects);
      for (const table of ROWS_OF_A_PROJECT) {
        const last = (await eventsOf(rows, ids[table])).at(-1);
        equal(
          [last?.operation, last?.organization_id, last?.project_id, last?.after],
          ["deleted", ids.organizations, ids.projects, null],
          table,
        );
        is(last?.before?.id, ids[table]);
      }
      await rows.delete("organizations", ids.organizations);
      const last = (await eventsOf(rows, ids.agents)).at(-1);
      equal([last?.operation, last?.organization_id], ["deleted", ids.organizations]);
      const [left] = await rows.sql<{ count: number }[]>`SELECT count(*)::int AS count FROM audit_scope`;
      is(left?.count, 1, "only the user's is left");
    },
  ],
  [
    "an update tells the changed columns before and after, in UTC whoever writes",
    async (rows) => {
      const { project } = await makeWorld(rows);
      const task = await rows.insert("tasks", { project_id: project, title: "a" });
      await rows.sql.begin(async (sql) => {
        await sql`SET LOCAL timezone = 'Asia/Tokyo'`;
        await sql`UPDATE tasks SET title = 'b', priority = 3 WHERE id = ${task}`;
      });
      const last = (await eventsOf(rows, task)).at(-1);
      equal(Object.keys(last?.after ?? {}).sort(), ["title", "updated_at"]);
      equal([last?.before?.title, last?.after?.title], ["a", "b"]);
      ok(String(last?.after?.updated_at).endsWith("+00:00"));
    },
  ],
  [
    "counters, presence and changes that change nothing are no news",
    async (rows) => {
      const { project, workstation, agent, template } = await makeWorld(rows);
      const before = (await eventsOf(rows)).length;
      await rows.set("agents", agent, { tasks_completed: 3 });
      await rows.set("workflow_templates", template, { name: "flow" });
      await rows.set("workstations", workstation, {
        status: "online",
        last_seen_at: new Date(),
        last_ip_address: "10.0.0.1",
        presence_revision: "9",
      });
      is((await eventsOf(rows)).length, before);
      await rows.insert("tasks", { project_id: project, workflow_template_id: template });
      is((await eventsOf(rows)).length, before + 1, "the task, not its template's count");
      await rows.set("workstations", workstation, { status: "suspended" });
      await rows.set("workstations", workstation, { status: "offline" });
      equal(
        (await eventsOf(rows, workstation)).slice(1).map(({ after }) => after?.status),
        ["suspended", "offline"],
      );
    },
  ],
  [
    "secrets are never in it, that they changed is",
    async (rows) => {
      const { workstation, agent } = await makeWorld(rows);
      await rows.set("workstations", workstation, { registration_token: "a".repeat(64) });
      await rows.set("agents", agent, { environment_vars: rows.sql.json({ KEY: "hunter2" }) });
      for (const id of [workstation, agent]) {
        equal(
          (await eventsOf(rows, id)).map(({ operation }) => operation),
          ["created", "updated"],
        );
      }
      await rows.delete("agents", agent);
      await rows.delete("workstations", workstation);
      const text = JSON.stringify(await eventsOf(rows));
      for (const secret of ["hunter2", "a".repeat(64), "registration_token", "environment_vars"]) {
        is(text.includes(secret), false, secret);
      }
    },
  ],
  [
    "the principal is the transaction's, else the database user; a transaction may keep it from being published",
    async (rows) => {
      const organization = await rows.insert("organizations");
      await rows.sql.begin(async (sql) => {
        await sql`SELECT set_config('hub.principal', 'user:1', true), set_config('hub.audit_publish', 'off', true)`;
        await sql`UPDATE organizations SET name = 'x' WHERE id = ${organization}`;
      });
      await rows.set("organizations", organization, { name: "y" });
      equal(
        (await eventsOf(rows, organization)).map(({ principal, pending }) => [principal, pending]),
        [
          ["db:postgres", true],
          ["user:1", false],
          ["db:postgres", true],
        ],
      );
    },
  ],
  [
    "a writer with rights on the table alone, and another search_path, is audited",
    async (rows) => {
      const organization = await rows.insert("organizations");
      const writer = `writer_${organization.slice(-8).toLowerCase()}`;
      await rows.sql.unsafe(`CREATE ROLE ${writer}; GRANT SELECT, UPDATE ON organizations TO ${writer}`);
      try {
        await rows.sql.begin(async (sql) => {
          await sql.unsafe(`SET LOCAL ROLE ${writer}; SET LOCAL search_path TO pg_catalog`);
          await sql`UPDATE public.organizations SET name = 'theirs' WHERE id = ${organization}`;
        });
      } finally {
        await rows.sql.unsafe(`DROP OWNED BY ${writer}; DROP ROLE ${writer}`);
      }
      is((await eventsOf(rows, organization)).at(-1)?.after?.name, "theirs");
    },
  ],
  [
    "what hangs on a task moves to its new project in the trail too",
    async (rows) => {
      const world = await makeWorld(rows);
      const next = await rows.insert("projects", { organization_id: world.organization });
      const task = await rows.insert("tasks", { project_id: world.project });
      const attachment = await rows.insert("task_attachments", { task_id: task });
      await rows.set("tasks", task, { project_id: next });
      await rows.delete("tasks", task);
      for (const id of [task, attachment]) is((await eventsOf(rows, id)).at(-1)?.project_id, next);
    },
  ],
  [
    "a change wakes who listens, with a payload that says nothing",
    async (rows) => {
      const heard: string[] = [];
      const { unlisten } = await rows.sql.listen("hub_audit", (payload) => void heard.push(payload));
      await rows.insert("organizations");
      await rows.sql`SELECT 1`;
      const deadline = Date.now() + 2_000;
      while (heard.length === 0 && Date.now() < deadline) await rows.sql`SELECT 1`;
      await unlisten();
      equal(heard, [""]);
    },
  ],
  [
    "a default that passes from one template to another is one change of the project",
    async (rows) => {
      const { project } = await makeWorld(rows);
      const first = await rows.insert("workflow_templates", { project_id: project, is_default: true });
      const second = await rows.insert("workflow_templates", { project_id: project, is_default: true });
      const changes = (await eventsOf(rows, project)).slice(1).map(({ after }) => after?.default_workflow_template_id);
      equal(changes, [first, second]);
    },
  ],
];
