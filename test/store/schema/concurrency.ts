import type { TransactionSql } from "postgres";
import { equal, is, ok } from "uvu/assert";
import { until } from "../../support/until.ts";
import type { SchemaCase } from "./columns.ts";
import { insertRow, makeWorld, type Rows } from "./rows.ts";

type Step = (sql: TransactionSql) => Promise<unknown>;

/** Two transactions, the second of which starts while the first is open. Returns each one's error, null for success. */
async function crossing(rows: Rows, first: Step, second: Step): Promise<[unknown, unknown]> {
  let open: () => void = () => undefined;
  const mayCommit = new Promise<void>((resolve) => {
    open = resolve;
  });
  let started: () => void = () => undefined;
  const firstDone = new Promise<void>((resolve) => {
    started = resolve;
  });
  const outcome = (work: Promise<unknown>) => work.then(() => null).catch((error: unknown) => error);
  const one = outcome(
    rows.sql.begin(async (sql) => {
      await first(sql);
      started();
      await mayCommit;
    }),
  );
  await Promise.race([firstDone, one]);
  let finished = false;
  const two = outcome(rows.sql.begin(second)).finally(() => {
    finished = true;
  });
  await until("the second waits or ends", async () => finished || (await waitsForLock(rows)));
  open();
  return [await one, await two];
}

async function waitsForLock(rows: Rows): Promise<boolean> {
  const waiting = await rows.sql`
    SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`;
  return waiting.length > 0;
}

const constraintOf = (error: unknown): string | undefined =>
  (error as { constraint_name?: string } | null)?.constraint_name;

export const concurrencyCases: readonly SchemaCase[] = [
  [
    "concurrently inserted dependencies of one task are all counted",
    async (rows) => {
      const { project } = await makeWorld(rows);
      const task = await rows.insert("tasks", { project_id: project });
      const others = await Promise.all(Array.from({ length: 10 }, () => rows.insert("tasks", { project_id: project })));
      await Promise.all(
        others.map((other) => rows.insert("task_dependencies", { task_id: task, depends_on_task_id: other })),
      );
      is((await rows.get("tasks", task)).dependency_count, 10);
      await Promise.all(others.slice(0, 7).map((other) => rows.set("tasks", other, { list: "done" })));
      is((await rows.get("tasks", task)).dependency_count, 3);
    },
  ],
  [
    "of two crossing dependencies one is rejected as a cycle",
    async (rows) => {
      const { project } = await makeWorld(rows);
      const [a, b] = [
        await rows.insert("tasks", { project_id: project }),
        await rows.insert("tasks", { project_id: project }),
      ];
      const [first, second] = await crossing(
        rows,
        (sql) => insertRow(sql, "task_dependencies", { task_id: a, depends_on_task_id: b }),
        (sql) => insertRow(sql, "task_dependencies", { task_id: b, depends_on_task_id: a }),
      );
      is(first, null);
      is(constraintOf(second), "no_dependency_cycle");
    },
  ],
  [
    "a dependency on a task that is just entering done does not block for ever",
    async (rows) => {
      const { project } = await makeWorld(rows);
      const [blocker, waiting] = [
        await rows.insert("tasks", { project_id: project }),
        await rows.insert("tasks", { project_id: project }),
      ];
      const outcomes = await crossing(
        rows,
        (sql) => sql`UPDATE tasks SET list = 'done' WHERE id = ${blocker}`,
        (sql) => insertRow(sql, "task_dependencies", { task_id: waiting, depends_on_task_id: blocker }),
      );
      equal(outcomes, [null, null]);
      is((await rows.get("tasks", waiting)).dependency_count, 0);
      const [dependency] = await rows.sql<{ status: string }[]>`SELECT status FROM task_dependencies`;
      is(dependency?.status, "resolved");
    },
  ],
  [
    "usage counts are right after many transactions at once",
    async (rows) => {
      const { project, template, actor } = await makeWorld(rows);
      const other = await rows.insert("workflow_templates", { project_id: project });
      const tasks = await Promise.all(
        Array.from({ length: 20 }, (_, index) =>
          rows.insert("tasks", {
            project_id: project,
            actor_id: actor,
            workflow_template_id: index % 2 ? template : other,
          }),
        ),
      );
      await Promise.all(tasks.slice(0, 10).map((task) => rows.set("tasks", task, { workflow_template_id: template })));
      await Promise.all(tasks.slice(15).map((task) => rows.delete("tasks", task)));
      const [counted] = await rows.sql<{ wrong: number }[]>`
        SELECT count(*)::int AS wrong FROM workflow_templates w
        WHERE tasks_using_count <> (SELECT count(*) FROM tasks t WHERE t.workflow_template_id = w.id)`;
      is(counted?.wrong, 0);
      is((await rows.get("actors", actor)).tasks_assigned_count, 15);
    },
  ],
  [
    "edits of tasks that don't change the template don't wait for it",
    async (rows) => {
      const { project, template } = await makeWorld(rows);
      const [a, b] = [
        await rows.insert("tasks", { project_id: project, workflow_template_id: template }),
        await rows.insert("tasks", { project_id: project, workflow_template_id: template }),
      ];
      await rows.sql.begin(async (sql) => {
        await sql`UPDATE tasks SET title = 'one' WHERE id = ${a}`;
        await rows.set("tasks", b, { title: "two" });
      });
      is((await rows.get("workflow_templates", template)).tasks_using_count, 2);
    },
  ],
  [
    "two owners who demote each other concurrently leave one",
    async (rows) => {
      const organization = await rows.insert("organizations");
      const own = async () =>
        rows.insert("organization_memberships", {
          organization_id: organization,
          user_id: await rows.insert("users"),
          role: "owner",
        });
      const [one, two] = [await own(), await own()];
      const [first, second] = await crossing(
        rows,
        (sql) => sql`UPDATE organization_memberships SET role = 'member' WHERE id = ${one}`,
        (sql) => sql`UPDATE organization_memberships SET role = 'member' WHERE id = ${two}`,
      );
      is(first, null);
      is(constraintOf(second), "last_owner");
    },
  ],
  [
    "of two templates made the default concurrently, the later one is it",
    async (rows) => {
      const { project } = await makeWorld(rows);
      const [a, b] = [
        await rows.insert("workflow_templates", { project_id: project }),
        await rows.insert("workflow_templates", { project_id: project }),
      ];
      const outcomes = await crossing(
        rows,
        (sql) => sql`UPDATE workflow_templates SET is_default = true WHERE id = ${a}`,
        (sql) => sql`UPDATE workflow_templates SET is_default = true WHERE id = ${b}`,
      );
      equal(outcomes, [null, null]);
      is((await rows.get("projects", project)).default_workflow_template_id, b);
      is((await rows.get("workflow_templates", a)).is_default, false);
    },
  ],
  [
    "a task that moves while a dependency on it is made prevents one of the two",
    async (rows) => {
      const { project, organization } = await makeWorld(rows);
      const next = await rows.insert("projects", { organization_id: organization });
      const [a, b] = [
        await rows.insert("tasks", { project_id: project }),
        await rows.insert("tasks", { project_id: project }),
      ];
      const outcomes = await crossing(
        rows,
        (sql) => insertRow(sql, "task_dependencies", { task_id: a, depends_on_task_id: b }),
        (sql) => sql`UPDATE tasks SET project_id = ${next} WHERE id = ${b}`,
      );
      ok(outcomes[0] === null);
      is(constraintOf(outcomes[1]), "independent_task_moves");
    },
  ],
];
