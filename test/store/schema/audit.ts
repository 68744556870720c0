import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { TransactionSql } from "postgres";
import { equal, is, ok } from "uvu/assert";
import type { SchemaCase } from "./columns.ts";
import { insertRow, makeEverything, makeWorld, type Rows, refusalOf, TABLES } from "./rows.ts";

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
    SELECT e.*, EXISTS (SELECT FROM feed_queue q WHERE q.lane = e.lane AND q.xid = e.xid
      AND q.organization_id = coalesce(e.organization_id, '') AND q.next_id <= e.id) AS pending FROM audit_events e
    WHERE ${row ?? null}::text IS NULL OR row_id = ${row ?? null} ORDER BY e.id`),
];

const DELETING = join(import.meta.dirname, "../../../docs/deleting.md");

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
    "a deletion records the organization and project of every removed row, in any order of parents",
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
    "an update records the changed columns before and after, in UTC for any writer",
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
    "an update of any column of a task records the values of the row, and no other column",
    async (rows) => {
      const { project, template, actor, repository, agent } = await makeWorld(rows);
      const values: Record<string, unknown> = {
        title: "b",
        description: 'line one\nline "two" – ü',
        refined_title: "r",
        refined_description: "",
        priority: 5,
        list: "loop",
        list_order: "12.50000",
        mode: "execute",
        workflow_template_id: template,
        workflow_config: [{ mode: "plan", requireReview: true }],
        project_repository_id: repository,
        target_branch: "main",
        actor_id: actor,
        ready: true,
        agent_session_status: "ACTIVE",
        active_agent_id: agent,
        last_agent_session_id: "session",
        plan_solution: "s",
        plan_spec: "p",
        plan_steps: [{ a: [1, null, "x"] }],
        review_instructions: "i",
        review_feedback: "f",
        review_attachments: [],
        created_at: new Date("2020-01-02T03:04:05.678Z"),
        completed_at: new Date("2021-01-02T03:04:05.678Z"),
        workflow_step: 2,
        loops: true,
        last_error: "e",
      };
      const elsewhere = ["id", "project_id", "dependency_count", "updated_at", "deleted_at"];
      const columns = await rows.sql<{ name: string }[]>`SELECT attname AS name FROM pg_attribute
        WHERE attrelid = 'tasks'::regclass AND attnum > 0 AND NOT attisdropped`;
      equal([...Object.keys(values), ...elsewhere].sort(), columns.map(({ name }) => name).sort());
      for (const [column, value] of [...Object.entries(values), ["completed_at", null] as const]) {
        const task = await rows.insert("tasks", {
          project_id: project,
          list: column === "completed_at" ? "done" : "todo",
        });
        const json = async () => (await rows.sql`SELECT to_jsonb(t) AS row FROM tasks t WHERE id = ${task}`)[0]?.row;
        const before = await json();
        await rows.set("tasks", task, { [column]: value });
        const after = await json();
        const changed = Object.keys(after).filter(
          (name) => JSON.stringify(after[name]) !== JSON.stringify(before[name]),
        );
        const event = (await eventsOf(rows, task)).at(-1);
        const those = (row: Record<string, unknown>) => Object.fromEntries(changed.map((name) => [name, row[name]]));
        ok(changed.length > 0, column);
        equal([event?.operation, event?.before, event?.after], ["updated", those(before), those(after)], column);
      }
    },
  ],
  [
    "rows that were loaded without triggers find their organization by the statement of docs/deleting.md",
    async (rows) => {
      const { organization, project } = await makeWorld(rows);
      const task = await rows.sql.begin(async (sql) => {
        await sql`SET LOCAL session_replication_role = replica`;
        return insertRow(sql, "tasks", { project_id: project });
      });
      const [, statement = ""] = /`(INSERT INTO audit_scope[^`]*)`/.exec(readFileSync(DELETING, "utf8")) ?? [];
      await rows.sql.unsafe(statement);
      await rows.set("tasks", task, { title: "changed" });
      is((await eventsOf(rows, task)).at(-1)?.organization_id, organization);
    },
  ],
  [
    "TRUNCATE of an audited table is refused",
    async (rows) => {
      const ids = await makeEverything(rows);
      for (const table of TABLES) {
        equal((await refusalOf(rows.sql`TRUNCATE ${rows.sql(table)} CASCADE`)).constraint, "no_truncate", table);
        is((await rows.sql`SELECT FROM ${rows.sql(table)} WHERE id = ${ids[table]}`).length, 1);
      }
    },
  ],
  [
    "the event of a row that is marked as deleted has the whole row",
    async (rows) => {
      const ids = await makeEverything(rows);
      const marked = await rows.sql<{ name: string }[]>`SELECT table_name AS name FROM information_schema.columns
        WHERE column_name = 'deleted_at' AND table_name NOT IN ('organizations', 'workstations')`;
      const tables = TABLES.filter((table) => marked.some(({ name }) => name === table));
      is(tables.length, marked.length);
      // Children first: what is below a marked row has no event of its own.
      for (const table of [...tables].reverse()) {
        const [found] = await rows.sql`SELECT to_jsonb(t) - ARRAY['deleted_at', 'environment_vars'] AS row
          FROM ${rows.sql(table)} t WHERE id = ${ids[table]}`;
        await rows.set(table, ids[table], { deleted_at: new Date() });
        const event = (await eventsOf(rows, ids[table])).findLast(({ operation }) => operation === "deleted");
        equal([event?.before, event?.after], [found?.row, null], table);
      }
    },
  ],
  [
    "counters, presence and updates without a change are not recorded",
    async (rows) => {
      const { project, workstation, agent, template } = await makeWorld(rows);
      const before = (await eventsOf(rows)).length;
      await rows.set("agents", agent, { tasks_completed: 3 });
      await rows.set("workflow_templates", template, { name: "flow" });
      await rows.set("workstations", workstation, {
        status: "online",
        last_seen_at: new Date(),
        last_ip_address: "10.0.0.1",
        presence_generation: "2",
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
    "secrets are never recorded, but that they changed is",
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
    "the principal is the transaction's, else the database user; a transaction may keep its events from being published",
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
          await sql`UPDATE public.organizations SET name = 'foreign' WHERE id = ${organization}`;
        });
      } finally {
        await rows.sql.unsafe(`DROP OWNED BY ${writer}; DROP ROLE ${writer}`);
      }
      is((await eventsOf(rows, organization)).at(-1)?.after?.name, "foreign");
    },
  ],
  [
    "the rows of a moved task move to its new project in the trail too",
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
    "a change notifies listeners, with an empty payload",
    async (rows) => {
      const received: string[] = [];
      const { unlisten } = await rows.sql.listen("hub_audit", (payload) => void received.push(payload));
      await rows.insert("organizations");
      await rows.sql`SELECT 1`;
      const deadline = Date.now() + 2_000;
      while (received.length === 0 && Date.now() < deadline) await rows.sql`SELECT 1`;
      await unlisten();
      equal(received, [""]);
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
  [
    "triggers find the parents and the mark of a row by an index, in every table",
    async (rows) => {
      const ids = await makeEverything(rows);
      const scans = async (sql: TransactionSql) => {
        const [row] =
          await sql`SELECT sum(seq_scan)::int AS scans FROM pg_stat_xact_user_tables WHERE relname IN ('audit_scope', 'purges')`;
        return Number(row?.scans);
      };
      const scanned = await rows.sql.begin(async (sql) => {
        const before = await scans(sql);
        // Small tables are scanned by choice: only queries that no index can answer still do here.
        await sql`SET LOCAL enable_seqscan = off`;
        for (const table of TABLES) {
          const [time] = await sql<{ name: string }[]>`SELECT attname AS name FROM pg_attribute
            WHERE attrelid = ${table}::regclass AND atttypid = 'timestamptz'::regtype AND attnotnull ORDER BY attname LIMIT 1`;
          await sql`UPDATE ${sql(table)} SET ${sql(time?.name ?? "")} = now() - interval '1 day' WHERE id = ${ids[table]}`;
        }
        await insertRow(sql, "tasks", { project_id: ids.projects });
        await sql`UPDATE projects SET deleted_at = now() WHERE id = ${ids.projects}`;
        // The organization's owner is removed with it, not before.
        const deleted = TABLES.toReversed().filter(
          (table) => table !== "organization_memberships" && table !== "users",
        );
        for (const table of deleted) await sql`DELETE FROM ${sql(table)} WHERE id = ${ids[table]}`;
        return (await scans(sql)) - before;
      });
      is(scanned, 0);
    },
  ],
  [
    "a row that one statement changes twice has an event for each change, and is counted once",
    async (rows) => {
      const { project, template, actor } = await makeWorld(rows);
      const task = await rows.insert("tasks", { project_id: project, workflow_template_id: template, actor_id: actor });
      await rows.sql`WITH former AS (DELETE FROM actors WHERE id = ${actor}) DELETE FROM workflow_templates WHERE id = ${template}`;
      const changes = (await eventsOf(rows, task)).slice(1).map(({ before, after }) => {
        const { updated_at: _, ...values } = { ...before };
        return [values, Object.keys(after ?? {}).sort()];
      });
      equal(changes.toSorted(), [
        [{ actor_id: actor }, ["actor_id", "updated_at"]],
        [{ workflow_template_id: template }, ["updated_at", "workflow_template_id"]],
      ]);
    },
  ],
  [
    "the events of one statement are one queue, whose number is the first of them",
    async (rows) => {
      const { project } = await makeWorld(rows);
      for (let count = 0; count < 3; count += 1) await rows.insert("tasks", { project_id: project });
      await rows.sql`TRUNCATE feed_queue`;
      await rows.sql`UPDATE tasks SET title = 'changed'`;
      const events = (await eventsOf(rows)).slice(-3);
      ok(events.every(({ pending, operation }) => pending && operation === "updated"));
      const queues = await rows.sql`SELECT next_id::text AS id FROM feed_queue`;
      equal([...queues], [{ id: events[0]?.id }]);
    },
  ],
  [
    "the triggers of a statement never read all parents, however small the table was when their plans were made",
    async (rows) => {
      const { project } = await makeWorld(rows);
      const scanned = await rows.sql.begin(async (sql) => {
        await sql`ANALYZE`;
        const scans = async () => {
          const [row] =
            await sql`SELECT seq_scan::int AS scans FROM pg_stat_xact_user_tables WHERE relname = 'audit_scope'`;
          return Number(row?.scans);
        };
        const before = await scans();
        const task = await insertRow(sql, "tasks", { project_id: project });
        await sql`UPDATE tasks SET title = 'changed' WHERE id = ${task}`;
        await sql`DELETE FROM tasks WHERE id = ${task}`;
        return (await scans()) - before;
      });
      is(scanned, 0);
    },
  ],
  [
    "the changes of each row are numbered in their order, also for more rows than fit into memory",
    async (rows) => {
      const { project, template, actor } = await makeWorld(rows);
      const [reversed] = await rows.sql.begin(async (sql) => {
        await sql`SET LOCAL work_mem = '64kB'`;
        await sql`INSERT INTO tasks (id, project_id, title, description, workflow_template_id, actor_id)
          SELECT 'task_' || lpad(n::text, 26, '0'), ${project}, 'T', repeat('text ', 200), ${template}, ${actor}
          FROM generate_series(1, 3000) n`;
        // From the sixth execution on Postgres caches the plan, which was made for one row.
        for (let n = 1; n <= 7; n += 1)
          await sql`UPDATE tasks SET title = ${`U${n}`} WHERE id = ${`task_${"1".padStart(26, "0")}`}`;
        await sql`WITH former AS (DELETE FROM actors WHERE id = ${actor}) DELETE FROM workflow_templates WHERE id = ${template}`;
        return sql`SELECT count(*)::int AS count FROM audit_events one JOIN audit_events other USING (row_id)
          WHERE one.entity = 'tasks' AND one.id < other.id AND one.after ->> 'updated_at' > other.after ->> 'updated_at'`;
      });
      is(reversed?.count, 0);
    },
  ],
  [
    "the last event of a template has the row's final state, even if a statement makes two of them the default",
    async (rows) => {
      const { project } = await makeWorld(rows);
      const first = await rows.insert("workflow_templates", { project_id: project });
      const second = await rows.insert("workflow_templates", { project_id: project });
      await rows.sql`UPDATE workflow_templates SET is_default = true WHERE id IN (${first}, ${second})`;
      for (const id of [first, second]) {
        const changes = (await eventsOf(rows, id)).filter(({ after }) => after && "is_default" in after);
        is(changes.at(-1)?.after?.is_default, (await rows.get("workflow_templates", id)).is_default);
      }
    },
  ],
];
