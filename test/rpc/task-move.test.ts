import type { Task, TasksReordered } from "@monster-realtime/client/protocol";
import fc from "fast-check";
import { ulid } from "ulid";
import * as assert from "uvu/assert";
import { SERVICE, type World, withWorld } from "../support/rpc-world.ts";
import { suite } from "../support/suite.ts";

const test = suite("tasks.move");

type Seed = Pick<Task, "list" | "listOrder" | "priority">;

/** A separate project with these tasks, in the order of creation. */
async function board({ database, ours }: World, seeds: readonly Seed[]): Promise<{ projectId: string; ids: string[] }> {
  const projectId = `proj_${ulid()}`;
  const ids = seeds.map(() => `task_${ulid()}`);
  await database.transaction("test", async (sql) => {
    await sql`INSERT INTO projects (id, organization_id, name) VALUES (${projectId}, ${ours.organizationId}, 'Board')`;
    for (const [n, { list, listOrder, priority }] of seeds.entries())
      await sql`INSERT INTO tasks (id, project_id, title, list, list_order, priority)
        VALUES (${ids[n] ?? ""}, ${projectId}, ${`${n}`}, ${list}, ${listOrder}, ${priority})`;
  });
  return { projectId, ids };
}

const todo = (...orders: number[]): Seed[] => orders.map((listOrder) => ({ list: "todo", listOrder, priority: 3 }));
/** As many tasks, named a, b, c, … by their index in `ids`. */
const named = (ids: readonly string[], found: readonly { id: string }[]) =>
  found.map(({ id }) => "abcdefghijklmnop"[ids.indexOf(id)] ?? "?").join("");

/** The pending announcements of renumbered tasks. */
async function announcedOn({ database }: World, projectId: string): Promise<TasksReordered[]> {
  const rows = await database.query(
    (sql) => sql<{ after: TasksReordered }[]>`SELECT after FROM audit_events
      WHERE EXISTS (SELECT FROM feed_queue q WHERE q.xid = audit_events.xid) AND lane IS NOT NULL AND operation = 'reordered' AND project_id = ${projectId} ORDER BY id`,
  );
  return rows.map(({ after }) => after);
}

async function listed({ call, ours }: World, projectId: string, list = "todo") {
  return (await call(ours.member, "tasks.list", { projectId, filter: { list }, limit: 200 })).items;
}

test("a task moves after another, before another, or after all", () =>
  withWorld(async (world) => {
    const { projectId, ids } = await board(world, todo(1_000, 1_010, 1_020, 1_030));
    const [a = "", b = "", c = "", d = ""] = ids;
    const { call, ours } = world;
    const order = async () => named(ids, await listed(world, projectId));
    const moved = await call(ours.member, "tasks.move", { id: d, list: "todo", afterId: a });
    assert.is(moved.listOrder, 1_005);
    assert.is(await order(), "adbc");
    await call(ours.member, "tasks.move", { id: c, list: "todo", beforeId: a });
    assert.is(await order(), "cadb");
    await call(ours.member, "tasks.move", { id: a, list: "todo" });
    assert.is(await order(), "cdba");
    await call(ours.member, "tasks.move", { id: a, list: "todo", afterId: c, beforeId: b });
    assert.is(await order(), "cadb");
    const { id } = await call(ours.member, "tasks.create", { projectId, title: "last" });
    assert.is((await listed(world, projectId)).at(-1)?.id, id);
    assert.equal(await announcedOn(world, projectId), []);
  }));

test("a task moves to another list and priority, and its neighbour must have both", () =>
  withWorld(async (world) => {
    const seeds: Seed[] = [
      ...todo(1_000, 1_010),
      { list: "doing", listOrder: 1_000, priority: 5 },
      { list: "doing", listOrder: 1_010, priority: 2 },
    ];
    const { projectId, ids } = await board(world, seeds);
    const [a = "", b = "", c = "", d = ""] = ids;
    const { call, ours } = world;
    const moved = await call(ours.member, "tasks.move", { id: a, list: "doing", priority: 5, afterId: c });
    assert.equal([moved.list, moved.priority], ["doing", 5]);
    await call(ours.member, "tasks.move", { id: b, list: "doing", priority: 2, beforeId: d });
    assert.is(named(ids, await listed(world, projectId, "doing")), "cabd");
    const done = await call(ours.member, "tasks.move", { id: a, list: "done" });
    assert.equal([done.priority, done.completedAt === null], [5, false]);
  }));

test("neighbours elsewhere are a conflict, those of other tenants are not found, and impossible ones are a bad request", () =>
  withWorld(async (world) => {
    const { ours, otherTenant, refusal, call } = world;
    const seeds: Seed[] = [...todo(1_000, 1_010, 1_020), { list: "doing", listOrder: 1, priority: 3 }];
    const { projectId, ids } = await board(world, [...seeds, { list: "todo", listOrder: 1, priority: 4 }]);
    const [a = "", b = "", c = "", doing = "", urgent = ""] = ids;
    const cases: [object, string, string?][] = [
      [{ afterId: doing }, "conflict", "afterId"],
      [{ beforeId: urgent }, "conflict", "beforeId"],
      [{ afterId: b, priority: 4 }, "conflict", "afterId"],
      [{ afterId: ours.taskId }, "conflict", "afterId"],
      [{ afterId: c, beforeId: b }, "conflict", "beforeId"],
      [{ afterId: otherTenant.taskId }, "not_found"],
      [{ beforeId: `task_${ulid()}` }, "not_found"],
      [{ afterId: a }, "bad_request", "afterId"],
      [{ beforeId: a }, "bad_request", "beforeId"],
      [{ afterId: b, beforeId: b }, "bad_request", "beforeId"],
      [{ priority: 6 }, "bad_request", "priority"],
      [{ list: "elsewhere" }, "bad_request", "list"],
      [{ listOrder: 5 }, "bad_request", "listOrder"],
      [{ afterId: "b\0" }, "bad_request", "afterId"],
    ];
    for (const [params, code, path] of cases) {
      const error = await refusal(ours.member, "tasks.move", { id: a, list: "todo", ...params });
      const [detail] = (error.details ?? []) as { path: string }[];
      assert.equal([error.code, detail?.path], [code, path], JSON.stringify(params));
    }
    assert.is(named(ids, await listed(world, projectId)), "eabc");
    await call(ours.admin, "projects.archive", { id: projectId });
    assert.is((await refusal(ours.member, "tasks.move", { id: a, list: "todo" })).code, "conflict");
  }));

test("a workstation moves the tasks assigned to it, but sets no priorities", () =>
  withWorld(async (world) => {
    const { database, ours, call, refusal } = world;
    const { id } = await call(ours.member, "tasks.create", { projectId: ours.projectId, title: "T" });
    const plain = { id, list: "review" };
    assert.is((await refusal(ours.workstation, "tasks.move", plain)).code, "forbidden");
    await database.query((sql) => sql`UPDATE tasks SET active_agent_id = ${ours.agentId} WHERE id = ${id}`);
    assert.is((await call(ours.workstation, "tasks.move", plain)).list, "review");
    assert.is((await refusal(ours.workstation, "tasks.move", { ...plain, priority: 5 })).code, "forbidden");
  }));

test("when the numbers leave no room, neighbours are renumbered, with one announcement and no other publications", () =>
  withWorld(async (world) => {
    const { database, ours, call } = world;
    const { projectId, ids } = await board(world, todo(1_000, 1_000.00001, 1_020));
    const [a = "", b = "", c = ""] = ids;
    await database.query((sql) => sql`DELETE FROM feed_queue`);
    const moved = await call(ours.member, "tasks.move", { id: c, list: "todo", afterId: a }, "key");
    const [announcement, ...others] = await announcedOn(world, projectId);
    assert.equal(others, []);
    assert.is(announcement?.list, "todo");
    const rows = await listed(world, projectId);
    assert.is(named(ids, rows), "acb");
    const around = rows
      .filter(({ id }) => id !== c)
      .map(({ id, listOrder, updatedAt }) => ({ id, listOrder, updatedAt }));
    assert.equal(
      announcement?.tasks,
      around.filter(({ id }) => announcement?.tasks?.some((task) => task.id === id)),
    );
    assert.ok(announcement?.tasks?.some(({ id }) => id === b));
    const pending = await database.query(
      (sql) =>
        sql`SELECT row_id AS id FROM audit_events WHERE lane IS NOT NULL AND operation = 'updated'
          AND EXISTS (SELECT FROM feed_queue q WHERE q.xid = audit_events.xid)`,
    );
    assert.equal(
      pending.map(({ id }) => id),
      [c],
    );
    const [{ count } = { count: 0 }] = await database.query(
      (sql) => sql`SELECT count(*)::int FROM audit_events WHERE row_id = ${b} AND operation = 'updated'`,
    );
    assert.is(count, 1);
    assert.equal(await call(ours.member, "tasks.move", { id: c, list: "todo", afterId: a }, "key"), moved);
    assert.is((await announcedOn(world, projectId)).length, 1);
  }));

test("a full list accepts a new task, and renumbers only as many as needed", () =>
  withWorld(async (world) => {
    const { ours, call } = world;
    const orders = Array.from({ length: 60 }, (_, n) => 99_399 + n * 10);
    const { projectId, ids } = await board(world, todo(...orders));
    const made = await call(ours.member, "tasks.create", { projectId, title: "new" });
    const [announcement] = await announcedOn(world, projectId);
    assert.ok(
      announcement?.tasks && announcement.tasks.length > 0 && announcement.tasks.length < 20,
      JSON.stringify(announcement?.tasks?.length),
    );
    assert.equal(
      (await listed(world, projectId)).map(({ id }) => id),
      [...ids, made.id],
    );
    assert.ok(made.listOrder < 100_000);
  }));

test("a gap that all moves target never closes, and few moves renumber others", () =>
  withWorld(async (world) => {
    const { ours, call } = world;
    const { projectId, ids } = await board(world, todo(1_000, 1_010, 1_020, 1_030));
    const [a = "", ...others] = ids;
    for (let n = 0; n < 60; n += 1)
      await call(ours.member, "tasks.move", { id: others[n % 3] ?? "", list: "todo", afterId: a });
    assert.is(named(ids, await listed(world, projectId)), "adcb");
    const announced = await announcedOn(world, projectId);
    assert.ok(announced.length >= 1 && announced.length <= 5, `${announced.length}`);
  }));

/** Moves into one gap from both its sides, moves after all, and new tasks, all concurrently. */
async function crowd(world: World): Promise<void> {
  const { ours, call } = world;
  const { projectId, ids } = await board(world, todo(1_000, 1_000.00003, ...Array.from({ length: 8 }, () => 2_000)));
  const [a = "", b = "", ...others] = ids;
  const [inside, behind] = [others.slice(0, 5), others.slice(5)];
  const sides = [{ afterId: a }, { beforeId: b }, { afterId: a, beforeId: b }];
  const [created] = await Promise.all([
    Promise.all(["x", "y"].map((title) => call(ours.member, "tasks.create", { projectId, title }))),
    ...behind.map((id) => call(SERVICE, "tasks.move", { id, list: "todo" })),
    ...inside.map((id, n) => call(ours.member, "tasks.move", { id, list: "todo", ...sides[n % 3] })),
  ]);
  const rows = await listed(world, projectId);
  const order = rows.map(({ id }) => id);
  assert.is(new Set(rows.map(({ listOrder }) => listOrder)).size, 12);
  assert.equal([order[0], order[6]], [a, b]);
  assert.equal(new Set(order.slice(1, 6)), new Set(inside));
  assert.equal(new Set(order.slice(7)), new Set([...behind, ...created.map(({ id }) => id)]));
}

test("tasks moved concurrently into one gap, or after all, each get their own position there", () =>
  withWorld(async (world) => {
    for (let round = 0; round < 5; round += 1) await crowd(world);
  }));

interface Modelled {
  id: string;
  priority: number;
}
/** A list's tasks as an array, in list order regardless of priority. */
type Model = Map<string, Modelled[]>;
type Step = { who: number; list: string; priority: number | null; side: "afterId" | "beforeId" | null; whom: number };

const LISTS = ["todo", "doing"];
const seed: fc.Arbitrary<Seed> = fc.record({
  list: fc.constantFrom(...LISTS),
  // Close together, equal, and at the limits of the column.
  listOrder: fc.constantFrom(1_000, 1_000.00001, 1_000.00002, 1_010, 99_999, 99_989, -99_999),
  priority: fc.constantFrom(3, 4),
});
const step: fc.Arbitrary<Step> = fc.record({
  who: fc.nat(),
  list: fc.constantFrom(...LISTS),
  priority: fc.constantFrom(null, 3, 4),
  side: fc.constantFrom("afterId" as const, "afterId" as const, "beforeId" as const, null),
  whom: fc.nat(),
});

function modelOf(seeds: readonly Seed[], ids: readonly string[]): Model {
  const rows = seeds.map((row, n) => ({ ...row, id: ids[n] ?? "" }));
  // Created in one transaction: only the id determines the order.
  const sorted = rows.sort((a, b) => a.listOrder - b.listOrder || (a.id < b.id ? -1 : 1));
  return new Map(LISTS.map((list) => [list, sorted.filter((row) => row.list === list)]));
}

function boardOf(model: Model, list: string): string[] {
  return [...(model.get(list) ?? [])].sort((a, b) => b.priority - a.priority).map(({ id }) => id);
}

/** The params of a step, and its effect on the model; null if its neighbour is not in the target list. */
function play(model: Model, ids: readonly string[], { who, list, priority, side, whom }: Step) {
  const id = ids[who % ids.length] ?? "";
  const [from, task] = [...model.values()].flatMap((tasks) =>
    tasks.filter((each) => each.id === id).map((each) => [tasks, each] as const),
  )[0] ?? [[], { id, priority: 0 }];
  const next = { id, priority: priority ?? task.priority };
  const neighbours = (model.get(list) ?? []).filter((each) => each.id !== id && each.priority === next.priority);
  const neighbour = side === null ? undefined : neighbours[whom % Math.max(1, neighbours.length)];
  from.splice(from.indexOf(task), 1);
  const target = model.get(list) ?? [];
  const beside = neighbour ? target.indexOf(neighbour) : target.length;
  target.splice(neighbour && side === "afterId" ? beside + 1 : beside, 0, next);
  return { id, list, ...(priority !== null && { priority }), ...(neighbour && side && { [side]: neighbour.id }) };
}

test(
  "after any sequence of moves, the order equals that of a plain array",
  () =>
    withWorld(async (world) => {
      const { ours, call } = world;
      const property = fc.asyncProperty(
        fc.array(seed, { minLength: 2, maxLength: 14 }),
        fc.array(step, { minLength: 1, maxLength: 10 }),
        async (seeds, steps) => {
          const { projectId, ids } = await board(world, seeds);
          const model = modelOf(seeds, ids);
          for (const each of steps) await call(ours.member, "tasks.move", play(model, ids, each));
          for (const list of LISTS) {
            const rows = await listed(world, projectId, list);
            assert.equal(
              rows.map(({ id }) => id),
              boardOf(model, list),
            );
          }
        },
      );
      await fc.assert(property, { numRuns: 200, interruptAfterTimeLimit: 30_000 });
    }),
  90_000,
);

test("callers that can write tasks set a task ready and not ready", () =>
  withWorld(async ({ ours, call, refusal }) => {
    const id = ours.taskId;
    assert.is((await call(ours.member, "tasks.setReady", { id, ready: true })).ready, true);
    assert.is((await call(SERVICE, "tasks.setReady", { id, ready: false })).ready, false);
    assert.is((await refusal(ours.workstation, "tasks.setReady", { id, ready: true })).code, "forbidden");
    for (const params of [{ id }, { id, ready: "yes" }, { id, ready: true, list: "todo" }])
      assert.is((await refusal(ours.member, "tasks.setReady", params)).code, "bad_request");
  }));

test.run();
