import type { Page } from "@monster-realtime/client/protocol";
import { equal, is, ok } from "uvu/assert";
import { columnOf } from "../../hub/kernel/public-fields.ts";
import { ENTITIES } from "../../hub/rpc/router/methods.ts";
import { fillProject, furnish } from "../purge/support.ts";
import { SERVICE, type World, withWorld } from "../support/rpc-world.ts";
import { suite } from "../support/suite.ts";

const test = suite("timestamps written by other programs");

type Row = Record<string, unknown> & { id: string };

/** Value written by SQL → value returned to callers. */
const WRITTEN: ReadonlyMap<string, string> = new Map([
  ["infinity", "infinity"],
  ["-infinity", "-infinity"],
  ["0044-03-15 12:00:00+00 BC", "0044-03-15 12:00:00+00 BC"],
  ["12024-01-01 00:00:00+00", "12024-01-01 00:00:00+00"],
  ["0044-03-15 12:00:00+00", "0044-03-15T12:00:00.000Z"],
  ["9999-12-31 23:59:59.999+00", "9999-12-31T23:59:59.999Z"],
]);

const list = ({ router }: World, method: string, params: object = {}) =>
  router.call({ principal: SERVICE, method, params, idempotencyKey: undefined }) as Promise<Page<Row>>;

const timestampsOf = ({ rows }: (typeof ENTITIES)[number]): string[] =>
  Object.entries(rows.table.columns).flatMap(([field, kind]) => (kind === "timestamp" ? [field] : []));

/** Writes a value into every timestamp of all rows, without triggers. */
async function overwrite({ database }: World, entity: (typeof ENTITIES)[number], value: string): Promise<void> {
  const set = timestampsOf(entity).map((field) => `${columnOf(field)} = '${value}'`);
  await database.unlimited.begin(async (sql) => {
    await sql`SET LOCAL session_replication_role = replica`;
    await sql.unsafe(`UPDATE ${entity.rows.table.table} SET ${set.join(", ")}`);
  });
}

for (const entity of ENTITIES)
  test(`they break neither ${entity.name}.list nor ${entity.name}.get, and pages continue past them`, () =>
    withWorld(async (world) => {
      await furnish(world.database, world.ours);
      await furnish(world.database, world.otherTenant);
      const fields = timestampsOf(entity);
      ok(fields.length > 0);
      for (const [written, shown] of WRITTEN) {
        await overwrite(world, entity, written);
        const { items } = await list(world, `${entity.name}.list`);
        ok(items.length > 1, "rows of two tenants");
        const seen: string[] = [];
        for (let cursor: string | null = ""; cursor !== null; ) {
          const params = { limit: 1, ...(cursor !== "" && { cursor }) };
          const page: Page<Row> = await list(world, `${entity.name}.list`, params);
          seen.push(...page.items.map(({ id }) => id));
          cursor = page.nextCursor;
        }
        equal(
          seen,
          items.map(({ id }) => id),
        );
        const row = await list(world, `${entity.name}.get`, { id: seen[0] });
        for (const one of [...items, row as unknown as Row])
          for (const field of fields) is(one[field], shown, `${field} of ${one.id}`);
      }
    }));

test("they break no update, and only their own row fails the check of `ifUpdatedAt`", () =>
  withWorld(async (world) => {
    const { database, ours, otherTenant, call, refusal } = world;
    await database.unlimited.begin(async (sql) => {
      await sql`SET LOCAL session_replication_role = replica`;
      await sql`UPDATE tasks SET created_at = 'infinity', updated_at = '-infinity' WHERE id = ${ours.taskId}`;
    });
    const ifUpdatedAt = new Date().toISOString();
    const stale = await refusal(SERVICE, "tasks.update", { id: ours.taskId, set: { title: "x" }, ifUpdatedAt });
    equal([stale.code, stale.details], ["conflict", { updatedAt: "-infinity" }]);
    is((await call(SERVICE, "tasks.update", { id: ours.taskId, set: { title: "x" } })).createdAt, "infinity");
    const { updatedAt } = await call(SERVICE, "tasks.get", { id: otherTenant.taskId });
    await call(SERVICE, "tasks.update", { id: otherTenant.taskId, set: { title: "x" }, ifUpdatedAt: updatedAt });
  }));

test("they do not prevent placing a task beside one that has them", () =>
  withWorld(async (world) => {
    const { database, ours, call } = world;
    await fillProject(database, ours.projectId, 20);
    await database.unlimited.begin(async (sql) => {
      await sql`SET LOCAL session_replication_role = replica`;
      await sql`UPDATE tasks SET created_at = 'infinity', priority = 1 WHERE project_id = ${ours.projectId}`;
    });
    const { items } = await call(ours.member, "tasks.list", { projectId: ours.projectId });
    const [first, last] = [items[0]?.id ?? "", items.at(-1)?.id ?? ""];
    await call(ours.member, "tasks.move", { id: last, list: "todo", afterId: first });
  }));

test("they break no list of rows that the hub itself writes", () =>
  withWorld(async (world) => {
    const { database, ours, call } = world;
    const { organizationId, admin } = ours;
    await call(admin, "organizations.invite", { organizationId, email: "invited@example.test" });
    await call(admin, "projects.delete", { id: ours.projectId });
    await database.unlimited.begin(async (sql) => {
      await sql`SET LOCAL session_replication_role = replica`;
      await sql`UPDATE audit_events SET at = 'infinity'`;
      await sql`UPDATE purges SET marked_at = '-infinity', due_at = 'infinity'`;
      await sql`UPDATE organization_memberships SET invited_at = 'infinity'`;
    });
    is((await call(SERVICE, "audit.list", { limit: 1 })).items[0]?.at, "infinity");
    const [purge] = (await call(SERVICE, "purges.list", {})).items;
    equal([purge?.deletedAt, purge?.restorableUntil], ["-infinity", "infinity"]);
    ok((await call(SERVICE, "organizationMemberships.list", { organizationId })).items.length > 0);
  }));

test.run();
