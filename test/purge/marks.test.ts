import { ulid } from "ulid";
import { equal, is, ok } from "uvu/assert";
import type { Database } from "../../hub/store/database.ts";
import { withDatabase } from "../support/database.ts";
import { withWorld } from "../support/rpc-world.ts";
import { suite } from "../support/suite.ts";
import { until } from "../support/until.ts";
import { fillProject, LIMIT_MS, marksOf, withPurger } from "./support.ts";

const test = suite("marks of deleted rows");
const same = (value: unknown, expected: unknown) => JSON.stringify(value) === JSON.stringify(expected);

/** Marks of missing rows, which other programs may leave behind. `entity` is a table; the marks are an hour old. */
async function addMarks(
  database: Database,
  { entity, organizationId, count, isDue }: { entity: string; organizationId: string; count: number; isDue: boolean },
): Promise<void> {
  await database.query(
    (sql) => sql`INSERT INTO purges (entity, row_id, organization_id, principal, marked_at, due_at)
      SELECT ${entity}, 'gone_' || lpad(n::text, 26, '0'), ${organizationId}, 'test', at, CASE WHEN ${isDue} THEN at END
      FROM generate_series(1, ${count}) n, (SELECT now() - interval '1 hour' AS at) AS earlier`,
  );
}

test(
  "thousands of marks of one organization delay no other organization's project, and the counts are bounded",
  () =>
    withWorld(async ({ database, ours, otherTenant, call }) => {
      await addMarks(database, { entity: "tasks", organizationId: ours.organizationId, count: 20_000, isDue: true });
      await fillProject(database, otherTenant.projectId, 200);
      await call(otherTenant.admin, "projects.delete", { id: otherTenant.projectId });
      await withPurger(database, { days: 0, turnMs: 1_000 }, async (purger) => {
        await until(
          "their project is removed",
          async () => !(await marksOf(database)).includes(otherTenant.projectId),
          LIMIT_MS,
        );
        is(purger.marked.due, 10_000);
      });
      ok((await marksOf(database)).length > 15_000, "the other marks are still being removed");
      ok((await marksOf(database)).length < 20_000, "each organization had a turn");
    }),
  LIMIT_MS,
);

test(
  "the oldest mark of an organization goes first",
  () =>
    withWorld(async ({ database, ours, call }) => {
      await fillProject(database, ours.projectId, 100);
      await call(ours.admin, "projects.delete", { id: ours.projectId });
      await database.query((sql) => sql`UPDATE purges SET marked_at = marked_at - interval '2 hours'`);
      await addMarks(database, { entity: "tasks", organizationId: ours.organizationId, count: 1_000, isDue: true });
      await withPurger(database, { days: 0 }, async () => {
        await until("the project is removed", async () => !(await marksOf(database)).includes(ours.projectId));
      });
      is((await marksOf(database)).length, 1_000);
    }),
  LIMIT_MS,
);

test("marks of many projects get their due times in steps, and a task's mark immediately", () =>
  withWorld(async ({ database, ours }) => {
    await database.query((sql) => sql`UPDATE tasks SET deleted_at = now() WHERE id = ${ours.taskId}`);
    const dueIn = async () => {
      const rows = await database.query(
        (sql) => sql<{ days: number | null; count: number }[]>`
          SELECT extract(epoch FROM due_at - marked_at)::float8 / 86400 AS days, count(*)::int FROM purges
          WHERE entity <> 'tasks' GROUP BY 1 ORDER BY 1`,
      );
      return rows.map(({ days, count }) => [days, count]);
    };
    const [task] = await database.query((sql) => sql`SELECT due_at <= clock_timestamp() AS due FROM purges`);
    is(task?.due, true);
    await addMarks(database, { entity: "projects", organizationId: ours.organizationId, count: 2_500, isDue: false });
    for (const expected of [
      [
        [30, 1_000],
        [null, 1_500],
      ],
      [
        [30, 2_000],
        [null, 500],
      ],
      [[30, 2_500]],
    ])
      await withPurger(database, { intervalMs: LIMIT_MS }, () =>
        until("a count", async () => same(await dueIn(), expected)).then(() => undefined),
      );
  }));

test("a project with an extended retention is not removed early, even if its due time is not updated yet", () =>
  withWorld(async ({ database, ours, call }) => {
    await addMarks(database, { entity: "projects", organizationId: ours.organizationId, count: 1_500, isDue: true });
    await withPurger(database, { days: 30 }, async (purger) => {
      await until("every mark waits", () => purger.marked.waiting === 1_500 && purger.marked.due === 0);
    });
    is((await marksOf(database)).length, 1_500);
    equal(
      (await call(ours.admin, "purges.list", {})).items.filter(({ state }) => state !== "restorable"),
      [],
    );
  }));

test("marks of tables that only a newer hub knows are left to that hub", () =>
  withWorld(async ({ database, ours, call }) => {
    await addMarks(database, { entity: "comments", organizationId: ours.organizationId, count: 3, isDue: true });
    await call(ours.admin, "projects.delete", { id: ours.projectId });
    await withPurger(database, { days: 0 }, async () => {
      await until("the marks it knows are removed", async () => (await marksOf(database)).length === 3);
    });
    const claimed = await database.query((sql) => sql`SELECT FROM purges WHERE node_id IS NOT NULL`);
    is(claimed.length, 0);
  }));

test("rows deleted before the table of marks existed can be restored for the whole retention time", () =>
  withDatabase(async (database) => {
    const id = `org_${ulid()}`;
    await database.query((sql) => sql`INSERT INTO organizations (id, name, slug) VALUES (${id}, 'x', 'x')`);
    await database.query(
      (sql) => sql`UPDATE organizations SET deleted_at = now() - interval '1 year' WHERE id = ${id}`,
    );
    equal(await marksOf(database), [id]);
    await withPurger(database, {}, async (purger) => {
      await until("the purger has counted the marks", () => purger.marked.waiting === 1);
    });
  }));

test.run();
