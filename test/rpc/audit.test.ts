import { createHash } from "node:crypto";
import type { AuditEvent, AuditListParams } from "@monster-realtime/client/protocol";
import { ulid } from "ulid";
import * as assert from "uvu/assert";
import type { HubError } from "../../hub/kernel/errors.ts";
import type { Database } from "../../hub/store/database.ts";
import { absentStep } from "../../hub/store/presence-backlog.ts";
import { absentColumns } from "../../hub/store/presence-row.ts";
import { writePresences } from "../../hub/store/presence-statement.ts";
import { SERVICE, type World, withWorld } from "../support/rpc-world.ts";
import { suite } from "../support/suite.ts";
import { until } from "../support/until.ts";

const test = suite("rpc audit");
const ISO = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;

/** The newest event of a row that our member can read. */
async function latest({ ours, call }: World, rowId: string): Promise<AuditEvent> {
  const { items } = await call(ours.member, "audit.list", { filter: { rowId }, limit: 1 });
  assert.is(items.length, 1);
  return items[0] as AuditEvent;
}

/** Another caller's open transaction that has renamed one of our tasks. It ends on request. */
async function openWrite(database: Database, taskId: string): Promise<{ end(how: "commit" | "undo"): Promise<void> }> {
  let end: (how: "commit" | "undo") => void = () => undefined;
  const ending = new Promise<"commit" | "undo">((resolve) => {
    end = resolve;
  });
  let written = false;
  const transaction = database.unlimited
    .begin(async (sql) => {
      await sql`UPDATE tasks SET title = title || '+' WHERE id = ${taskId}`;
      written = true;
      if ((await ending) === "undo") throw new Error("undone");
    })
    .catch((error: Error) => {
      if (error.message !== "undone") throw error;
    });
  // If the test fails before it ends this transaction, the test's own failure is reported.
  transaction.catch(() => undefined);
  await until("the transaction has written", () => written);
  return {
    async end(how) {
      end(how);
      await transaction;
    },
  };
}

const ids = (events: readonly AuditEvent[]): number[] => events.map(({ id }) => id);

async function newestId({ call }: World): Promise<number> {
  return (await call(SERVICE, "audit.list", { limit: 1 })).items[0]?.id ?? 0;
}

test("events use the field and entity names of the other methods", () =>
  withWorld(async (world) => {
    const { ours, call } = world;
    const { taskId: id, projectId, organizationId, member } = ours;
    const task = await call(member, "tasks.update", {
      id,
      set: { planSpec: "so", list: "done", workflowConfig: [{ mode: "plan", requireReview: true }] },
    });
    const event = await latest(world, id);
    assert.match(event.at, ISO);
    const { at: _, id: __, ...said } = event;
    const { completedAt, updatedAt, workflowConfig } = task;
    assert.equal(said, {
      principal: `user:${member.id}`,
      organizationId,
      projectId,
      entity: "tasks",
      rowId: id,
      operation: "updated",
      before: { ...said.before, planSpec: null, list: "todo", workflowConfig: null, completedAt: null },
      after: { planSpec: "so", list: "done", workflowConfig, completedAt, updatedAt },
      omitted: null,
    });
    const actor = await call(ours.admin, "actors.create", { projectId, name: "A", focusAreas: ["x"] });
    assert.equal((await latest(world, actor.id)).after, actor);
    const template = { projectId, name: "F", modeSequence: [{ mode: "plan", requireReview: false }] };
    const made = await call(ours.admin, "workflowTemplates.create", template);
    await call(ours.admin, "workflowTemplates.delete", { id: made.id });
    const deleted = await latest(world, made.id);
    assert.equal([deleted.entity, deleted.operation, deleted.after], ["workflowTemplates", "deleted", null]);
    assert.equal(deleted.before, made);
  }));

test("values over 8 KiB are stored as size and digest, by every writer, and listed to subscribers of the row", () =>
  withWorld(async (world) => {
    const { ours, call, database } = world;
    const { taskId: id, member } = ours;
    const digest = (text: string) => ({
      bytes: Buffer.byteLength(text),
      sha256: createHash("sha256").update(text).digest("hex"),
    });
    const limit = "x".repeat(8_190);
    await call(member, "tasks.update", { id, set: { description: limit } });
    const kept = await latest(world, id);
    assert.equal([kept.after?.description, kept.omitted], [limit, null]);
    const first = "é\n".repeat(80_000);
    await call(member, "tasks.update", { id, set: { description: first } });
    const grown = await latest(world, id);
    assert.equal(grown.omitted, { before: {}, after: { description: digest(first) } });
    assert.equal([grown.before?.description, grown.after?.description], [limit, undefined]);
    const steps = JSON.stringify([{ text: "y".repeat(9_000) }]);
    await database.query(
      (sql) => sql`UPDATE tasks SET description = 'short', plan_steps = ${steps}::text::jsonb WHERE id = ${id}`,
    );
    const others = await latest(world, id);
    const [written] = await database.query((sql) => sql`SELECT plan_steps::text AS steps FROM tasks WHERE id = ${id}`);
    assert.equal(others.omitted, {
      before: { description: digest(first) },
      after: { planSteps: digest(written?.steps) },
    });
    assert.equal([others.after?.description, others.after?.planSteps], ["short", undefined]);
    const largest = "SELECT max(pg_column_size(before) + pg_column_size(after)) AS bytes FROM audit_events";
    const [{ bytes } = { bytes: 0 }] = await database.query((sql) => sql.unsafe<{ bytes: number }[]>(largest));
    assert.ok(bytes < 20_000, `an event has ${bytes} bytes`);
  }));

test("a workstation's deletion and presence are in the trail; its secrets and the hub's internal columns are not", () =>
  withWorld(async (world) => {
    const { ours, call, database } = world;
    const { admin, organizationId } = ours;
    const { workstation } = await call(admin, "workstations.register", { organizationId, name: "laptop" });
    const { id } = workstation;
    await call(admin, "workstations.rotateToken", { id });
    await database.query((sql) => sql`UPDATE agents SET environment_vars = '{"KEY": "hunter2"}'`);
    await database.query((sql) => sql`UPDATE workstations SET status = 'online' WHERE id = ${id}`);
    const absent = {
      workstationId: id,
      generation: 1,
      revision: 7,
      nodeId: "n1",
      at: Date.parse("2026-01-02T03:04:05.006Z"),
    };
    await writePresences(database, [
      { columns: absentColumns(absent), presence: null, steps: [absentStep(absent)], seenAt: null },
    ]);
    const left = await latest(world, id);
    assert.equal([left.operation, left.at, left.principal], ["presence", "2026-01-02T03:04:05.006Z", "hub:n1"]);
    assert.equal([left.entity, left.organizationId, left.projectId], ["workstations", organizationId, null]);
    assert.equal(left.before, { presence: "online" });
    assert.equal([left.after?.presence, left.after?.nodeId, left.after?.revision], ["offline", "n1", 7]);
    await call(admin, "workstations.delete", { id });
    assert.match(String((await latest(world, id)).after?.deletedAt), ISO);
    const all = JSON.stringify((await call(SERVICE, "audit.list", { limit: 200 })).items);
    assert.not.match(all, /registration|hunter2|environment|presenceRevision/i);
  }));

test("pages run from newest to oldest, without gaps or repeats during concurrent writes", () =>
  withWorld(async (world) => {
    const { ours, call } = world;
    const rename = (n: number) => call(ours.member, "tasks.update", { id: ours.taskId, set: { title: `${n}` } });
    for (let n = 0; n < 7; n += 1) await rename(n);
    const expected = ids((await call(ours.member, "audit.list", { limit: 200 })).items);
    assert.equal(
      expected,
      [...expected].sort((a, b) => b - a),
    );
    const seen: number[] = [];
    for (let cursor: string | null = ""; cursor !== null; ) {
      const more: AuditListParams = cursor === "" ? {} : { cursor };
      const { items, nextCursor } = await call(ours.member, "audit.list", { limit: 3, ...more });
      seen.push(...ids(items));
      cursor = nextCursor;
      await rename(seen.length + 100);
    }
    assert.equal(seen, expected);
    const [, second, third] = expected;
    const older = await call(ours.member, "audit.list", { before: second ?? 0, limit: 1 });
    assert.equal(ids(older.items), [third]);
  }));

test("events are found by row, entity, principal, operation, project and time", () =>
  withWorld(async ({ ours, call }) => {
    const { member, admin, taskId, projectId, organizationId } = ours;
    await call(member, "tasks.update", { id: taskId, set: { title: "a" } });
    const other = await call(admin, "projects.create", { organizationId, name: "Other" });
    const changesOf = async (params: AuditListParams) =>
      (await call(member, "audit.list", params)).items.map(({ entity, operation }) => `${entity} ${operation}`);
    assert.equal(await changesOf({ filter: { rowId: taskId } }), ["tasks updated", "tasks created"]);
    assert.equal(await changesOf({ filter: { rowId: taskId, operation: "created" } }), ["tasks created"]);
    assert.equal(await changesOf({ filter: { principal: `user:${member.id}` } }), ["tasks updated"]);
    assert.equal(await changesOf({ projectId: other.id }), ["projects created"]);
    assert.equal(await changesOf({ filter: { entity: "projectWorkstations" } }), ["projectWorkstations created"]);
    assert.equal(await changesOf({ projectId, filter: { entity: "workstations" } }), []);
    const { items } = await call(member, "audit.list", { limit: 200 });
    const at = items[0]?.at ?? "";
    const since = await call(member, "audit.list", { since: at, limit: 200 });
    assert.equal(
      since.items,
      items.filter((event) => event.at >= at),
    );
    const until = await call(member, "audit.list", { until: at, limit: 200 });
    assert.equal(
      until.items,
      items.filter((event) => event.at < at),
    );
    assert.ok(until.items.length > 5);
  }));

test("no caller sees another tenant's events, and only services of all organizations see events of users", () =>
  withWorld(async ({ ours, otherTenant, call, refusal }) => {
    const bound = { kind: "service" as const, id: "bound", organizations: [ours.organizationId] };
    const list = async (who: typeof ours.owner, params: AuditListParams) =>
      (await call(who, "audit.list", { limit: 200, ...params })).items;
    for (const who of [ours.member, ours.admin, ours.owner, bound]) {
      for (const order of [{}, { after: 0 }]) {
        const events = await list(who, order);
        assert.ok(events.length > 5);
        assert.ok(events.every(({ organizationId }) => organizationId === ours.organizationId));
        const foreign = [
          { organizationId: otherTenant.organizationId },
          { projectId: otherTenant.projectId },
          { filter: { rowId: otherTenant.taskId } },
          { filter: { entity: "users" } },
        ];
        for (const params of foreign) assert.equal(await list(who, { ...params, ...order }), []);
      }
    }
    assert.is((await refusal(ours.workstation, "audit.list", {})).code, "forbidden");
    assert.ok((await list(SERVICE, { filter: { entity: "users" } })).every((event) => event.organizationId === null));
    assert.is((await list(SERVICE, { filter: { rowId: ours.owner.id } })).length, 1);
    assert.ok((await list(SERVICE, { organizationId: otherTenant.organizationId })).length > 5);
  }));

test("only services of all organizations can read the trail of a deleted organization", () =>
  withWorld(async ({ ours, otherTenant, call, database }) => {
    const { organizationId } = otherTenant;
    const bound = { kind: "service" as const, id: "bound", organizations: [ours.organizationId, organizationId] };
    const list = async (who: typeof ours.owner, params: AuditListParams) =>
      (await call(who, "audit.list", { limit: 200, ...params })).items;
    const before = await list(SERVICE, { organizationId });
    await call(otherTenant.owner, "organizations.delete", { id: organizationId });
    const readers = async () => {
      const [deletion, ...rest] = await list(SERVICE, { organizationId });
      assert.equal(rest, before);
      assert.equal([deletion?.rowId, deletion?.principal], [organizationId, `user:${otherTenant.owner.id}`]);
      const oldestFirst = await list(SERVICE, { organizationId, after: 0 });
      assert.equal(oldestFirst.toReversed(), [deletion, ...rest]);
      const ofAll = await list(SERVICE, { after: 0 });
      assert.equal(
        ofAll.filter((event) => event.organizationId === organizationId),
        oldestFirst,
      );
      for (const who of [bound, otherTenant.owner, otherTenant.member, ours.owner]) {
        assert.equal(await list(who, { organizationId }), []);
        assert.ok((await list(who, {})).every((event) => event.organizationId === ours.organizationId));
      }
    };
    await readers();
    await database.query((sql) => sql`DELETE FROM audit_scope WHERE organization_id = ${organizationId}`);
    await readers();
  }));

test("an invitation's events reveal no more about the address's owner than the invitation does", () =>
  withWorld(async (world) => {
    const { ours, otherTenant, call } = world;
    const { admin, organizationId } = ours;
    const invited = await call(admin, "organizations.invite", { organizationId, email: "new@example.test" });
    const made = await latest(world, invited.id);
    assert.equal([made.after?.userId, made.after?.status], [null, "invited"]);
    const userId = otherTenant.member.id;
    const member = await call(SERVICE, "organizationMemberships.create", { organizationId, userId });
    assert.is((await latest(world, member.id)).after?.userId, userId);
    await call(admin, "organizationMemberships.delete", { id: invited.id });
    await call(admin, "organizationMemberships.delete", { id: member.id });
    assert.is((await latest(world, invited.id)).before?.userId, null);
    assert.is((await latest(world, member.id)).before?.userId, userId);
    const [whole] = (await call(SERVICE, "audit.list", { filter: { rowId: invited.id } })).items;
    assert.match(String(whole?.before?.userId), /^user_/);
  }));

test("errors in the params name the path", () =>
  withWorld(async ({ ours, call, refusal }) => {
    const faults: [object, string][] = [
      [{ filter: { entity: "rpc_results" } }, "filter.entity"],
      [{ filter: { operation: "read" } }, "filter.operation"],
      [{ filter: { title: "a" } }, "filter.title"],
      [{ after: -1 }, "after"],
      [{ before: 1.5 }, "before"],
      [{ since: "yesterday" }, "since"],
      [{ limit: 201 }, "limit"],
      [{ cursor: "nonsense" }, "cursor"],
    ];
    for (const [params, path] of faults) {
      const { code, details } = await refusal(ours.member, "audit.list", params);
      assert.equal([code, (details as { path: string }[])[0]?.path], ["bad_request", path]);
    }
    const { nextCursor } = await call(ours.member, "audit.list", { limit: 1 });
    const elsewhere: HubError = await refusal(ours.member, "audit.list", { after: 0, cursor: nextCursor });
    assert.is(elsewhere.code, "bad_request");
  }));

test("a reader continues after its last event, in ascending order, with or without pages", () =>
  withWorld(async (world) => {
    const { ours, call } = world;
    const all = ids((await call(ours.member, "audit.list", { after: 0, limit: 200 })).items);
    assert.equal(all, ids((await call(ours.member, "audit.list", { limit: 200 })).items).reverse());
    const [first = 0] = all;
    assert.equal(ids((await call(ours.member, "audit.list", { after: first, limit: 2 })).items), all.slice(1, 3));
    const page = await call(ours.member, "audit.list", { after: first, limit: 2 });
    const cursor = page.nextCursor ?? "";
    assert.equal(
      ids((await call(ours.member, "audit.list", { after: first, limit: 2, cursor })).items),
      all.slice(3, 5),
    );
    const before = all[2] ?? 0;
    assert.equal(ids((await call(ours.member, "audit.list", { after: first, before })).items), all.slice(1, 2));
    assert.equal((await call(ours.member, "audit.list", { after: await newestId(world) })).items, []);
  }));

test("no event is skipped because its transaction commits late, and earlier events do not wait", () =>
  withWorld(async (world) => {
    const { ours, otherTenant, call, database } = world;
    const after = await newestId(world);
    await call(ours.member, "projects.updateMemory", { id: ours.projectId, memory: "first" });
    const open = await openWrite(database, ours.taskId);
    await call(ours.member, "projects.updateMemory", { id: ours.projectId, memory: "last" });
    const read = async (from: number) => (await call(ours.member, "audit.list", { after: from })).items;
    const before = await read(after);
    assert.equal(
      before.map(({ after }) => after?.memory),
      ["first"],
    );
    assert.equal(await read(before[0]?.id ?? 0), []);
    // A query for the newest events sees it immediately.
    assert.is((await call(ours.member, "audit.list", { limit: 1 })).items[0]?.after?.memory, "last");
    await call(otherTenant.member, "projects.updateMemory", { id: otherTenant.projectId, memory: "other" });
    await open.end("commit");
    assert.equal(
      (await read(before[0]?.id ?? 0)).map(({ entity, after }) => [entity, after?.memory]),
      [
        ["tasks", undefined],
        ["projects", "last"],
      ],
    );
  }));

test("a transaction that began first and wrote last hides no event of an open one that began later", () =>
  withWorld(async (world) => {
    const { ours, otherTenant, call, database } = world;
    const after = await newestId(world);
    let open: Awaited<ReturnType<typeof openWrite>> | undefined;
    await database.unlimited.begin(async (sql) => {
      // Gets a lower transaction id than the other one, but a higher audit id.
      await sql`SELECT pg_current_xact_id()`;
      open = await openWrite(database, otherTenant.taskId);
      await sql`UPDATE tasks SET title = 'late' WHERE id = ${ours.taskId}`;
    });
    const read = async () => ids((await call(SERVICE, "audit.list", { after })).items);
    assert.equal(await read(), []);
    await open?.end("commit");
    assert.equal(await read(), [after + 1, after + 2]);
  }));

test("a rollback leaves a gap that does not delay readers, nor does an open transaction without changes", () =>
  withWorld(async (world) => {
    const { ours, call, database } = world;
    const after = await newestId(world);
    const undone = await openWrite(database, ours.taskId);
    await undone.end("undo");
    await database.unlimited.begin(async (sql) => {
      await sql`CREATE TEMPORARY TABLE unrelated AS SELECT pg_current_xact_id()::text AS xid`;
      await call(ours.member, "tasks.update", { id: ours.taskId, set: { title: "b" } });
      assert.equal(ids((await call(ours.member, "audit.list", { after })).items), [after + 2]);
    });
  }));

test("a polling reader gets every event once and in order during many concurrent writes", () =>
  withWorld(async (world) => {
    const { ours, call, database } = world;
    const after = await newestId(world);
    const seen: number[] = [];
    let writing = true;
    const reading = (async () => {
      for (let last = false; !last; ) {
        last = !writing;
        const { items } = await call(ours.member, "audit.list", { after: seen.at(-1) ?? after, limit: 200 });
        seen.push(...ids(items));
      }
    })();
    const write = (end: "COMMIT AND CHAIN" | "ROLLBACK AND CHAIN") =>
      database.unlimited.begin(async (sql) => {
        await sql`INSERT INTO actors (id, project_id, name) VALUES (${`actor_${ulid()}`}, ${ours.projectId}, 'A')`;
        // So that the commits have another order than the inserts.
        await sql`SELECT pg_sleep(random() * 0.02)`;
        await sql.unsafe(end);
      });
    const writer = async () => {
      for (let times = 0; times < 15; times += 1) {
        await write("COMMIT AND CHAIN");
        await write("ROLLBACK AND CHAIN");
      }
    };
    await Promise.all(Array.from({ length: 8 }, writer));
    writing = false;
    await reading;
    const { items } = await call(ours.member, "audit.list", { limit: 200 });
    assert.equal(
      seen,
      ids(items)
        .filter((id) => id > after)
        .reverse(),
    );
    assert.is(seen.length, 120);
  }));

test.run();
