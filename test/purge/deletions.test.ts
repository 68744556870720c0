import { equal, is, ok } from "uvu/assert";
import type { Database } from "../../hub/store/database.ts";
import { SERVICE, withWorld } from "../support/rpc-world.ts";
import { suite } from "../support/suite.ts";
import { until } from "../support/until.ts";
import { fillProject, furnish, marksOf, tracesOf, withPurger } from "./support.ts";

const test = suite("deletions of rows with many references");
/** Half of a statement's time limit. */
const AT_ONCE_MS = 1_000;

test(
  "a project of 60,000 tasks is deleted within a second, and its slug is free",
  () =>
    withWorld(async ({ database, ours, call, refusal }) => {
      const { admin, member, projectId: id, organizationId } = ours;
      await fillProject(database, id, 60_000);
      const begun = performance.now();
      equal(await call(admin, "projects.delete", { id }), { id });
      const took = performance.now() - begun;
      ok(took < AT_ONCE_MS, `${took} ms`);
      for (const [method, params] of [
        ["projects.get", { id }],
        ["tasks.get", { id: ours.taskId }],
        ["tasks.update", { id: ours.taskId, set: { title: "x" } }],
        ["tasks.create", { projectId: id, title: "x" }],
        ["workflowTemplates.get", { id: ours.templateId }],
        ["actors.get", { id: ours.actorId }],
        ["projectWorkstations.get", { id: ours.attachmentId }],
      ] as const)
        is((await refusal(member, method, params)).code, "not_found", method);
      for (const method of [
        "projects.list",
        "tasks.list",
        "workstations.list",
        "projectWorkstations.list",
        "actors.list",
      ] as const)
        equal((await call(member, method, { projectId: id })).items, [], method);
      equal((await call(member, "tasks.list", { organizationId })).items, []);
      is((await call(admin, "projects.create", { organizationId, name: "P", slug: "p" })).slug, "p");
    }),
  60_000,
);

test("a deleted project has one event in the trail, which is published once", () =>
  withWorld(async ({ database, ours, call }) => {
    await furnish(database, ours);
    const last = async () =>
      (await database.query((sql) => sql<{ id: number }[]>`SELECT max(id)::float8 AS id FROM audit_events`))[0]?.id;
    await call(ours.admin, "projects.delete", { id: ours.projectId });
    const events = await database.query(
      (
        sql,
      ) => sql`SELECT operation, before ->> 'slug' AS slug, before ->> 'status' AS status, after, touches_rights FROM audit_events
        WHERE entity = 'projects' AND row_id = ${ours.projectId} AND operation <> 'created'`,
    );
    equal([...events], [{ operation: "deleted", slug: "p", status: "active", after: null, touches_rights: true }]);
    const before = await last();
    await withPurger(database, { days: 0 }, async () => {
      await untilRemoved(database);
    });
    is(await last(), before, "the removal is no event");
    equal(await tracesOf(database, ours.projectId, ["audit_events"]), []);
  }));

test("the sessions of a deleted project are cancelled immediately", () =>
  withWorld(async ({ database, ours, call }) => {
    const { sessionId } = await furnish(database, ours);
    await call(ours.admin, "projects.delete", { id: ours.projectId });
    const [session] = await database.query(
      (sql) => sql`SELECT status, end_reason FROM agent_sessions WHERE id = ${sessionId}`,
    );
    equal({ ...session }, { status: "failed", end_reason: "cancelled" });
    const [worktree] = await database.query((sql) => sql`SELECT active_task_count FROM git_worktrees`);
    is(worktree?.active_task_count, 0);
    equal((await call(ours.workstation, "workstations.assignments", { id: ours.workstationId })).items, []);
  }));

test("a deleted project is restored unchanged, only by callers that may delete it", () =>
  withWorld(async ({ database, ours, otherTenant, call, refusal }) => {
    const { admin, member, projectId: id } = ours;
    await call(admin, "projects.update", { id, set: { status: "suspended" } });
    const before = await call(member, "projects.get", { id });
    await call(admin, "projects.delete", { id });
    await withPurger(database, {}, async (purger) => {
      await until("the purger has counted the marks", () => purger.marked.waiting === 1);
    });
    const [purge] = (await call(admin, "purges.list", {})).items;
    equal([purge?.entity, purge?.id, purge?.state, purge?.name], ["projects", id, "restorable", "P"]);
    const days = (Date.parse(purge?.restorableUntil ?? "") - Date.parse(purge?.deletedAt ?? "")) / 86_400_000;
    is(days, 30);
    equal((await call(member, "purges.list", {})).items, []);
    equal((await call(otherTenant.owner, "purges.list", {})).items, []);
    is((await refusal(member, "projects.undelete", { id })).code, "forbidden");
    is((await refusal(otherTenant.owner, "projects.undelete", { id })).code, "not_found");
    const { updatedAt: _, ...restored } = await call(admin, "projects.undelete", { id });
    const { updatedAt: __, ...expected } = before;
    equal(restored, expected);
    equal((await call(member, "tasks.get", { id: ours.taskId })).projectId, id);
    is((await refusal(admin, "projects.undelete", { id })).code, "not_found");
    equal(await marksOf(database), []);
  }));

test("a project that was marked without triggers can be restored by SQL", () =>
  withWorld(async ({ database, ours, call }) => {
    const { member, projectId: id } = ours;
    const before = await call(member, "projects.get", { id });
    await database.unlimited.begin(async (sql) => {
      await sql`SET LOCAL session_replication_role = replica`;
      await sql`UPDATE projects SET deleted_at = now() WHERE id = ${id}`;
    });
    await database.query((sql) => sql`UPDATE projects SET deleted_at = NULL WHERE id = ${id}`);
    const { slug, status } = await call(member, "projects.get", { id });
    equal({ slug, status }, { slug: before.slug, status: before.status });
  }));

test("a project whose slug was taken in the meantime can be restored when the slug is free", () =>
  withWorld(async ({ ours, call, refusal }) => {
    const { admin, projectId: id, organizationId } = ours;
    await call(admin, "projects.delete", { id });
    const other = await call(admin, "projects.create", { organizationId, name: "Q", slug: "p" });
    is((await refusal(admin, "projects.undelete", { id })).code, "conflict");
    await call(admin, "projects.update", { id: other.id, set: { slug: "q" } });
    is((await call(admin, "projects.undelete", { id })).slug, "p");
  }));

test("only owners find and restore a deleted organization, with its rights and rows", () =>
  withWorld(async ({ ours, otherTenant, call, refusal, forget }) => {
    const { owner, admin, member, organizationId: id } = ours;
    await call(owner, "organizations.delete", { id });
    equal((await call(owner, "organizations.list", {})).items, []);
    is((await refusal(owner, "tasks.get", { id: ours.taskId })).code, "not_found");
    equal(
      (await call(owner, "purges.list", { entity: "organizations" })).items.map((purge) => purge.id),
      [id],
    );
    for (const other of [admin, member, otherTenant.owner]) {
      equal((await call(other, "purges.list", {})).items, []);
      is((await refusal(other, "organizations.restore", { id })).code, "not_found");
    }
    is((await call(owner, "organizations.restore", { id })).id, id);
    equal(
      (await call(owner, "organizations.list", {})).items.map((organization) => organization.id),
      [id],
    );
    forget([{ entity: "user", id: member.id }]);
    is((await call(member, "tasks.get", { id: ours.taskId })).id, ours.taskId);
    is((await refusal(owner, "organizations.restore", { id })).code, "not_found");
  }));

test("a token for another client than the organization's restores nothing", () =>
  withWorld(async ({ ours, call, refusal }) => {
    await call(ours.owner, "organizations.delete", { id: ours.organizationId });
    const limited = { ...ours.owner, clientIds: ["other"] } as typeof ours.owner;
    equal((await call(limited, "purges.list", {})).items, []);
    is((await refusal(limited, "organizations.restore", { id: ours.organizationId })).code, "not_found");
    is((await call(SERVICE, "organizations.restore", { id: ours.organizationId })).id, ours.organizationId);
  }));

async function untilRemoved(database: Database): Promise<void> {
  await until("nothing is left to be removed", async () => (await marksOf(database)).length === 0);
}

test.run();
