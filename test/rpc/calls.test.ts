import { ulid } from "ulid";
import * as assert from "uvu/assert";
import type { HubError } from "../../hub/kernel/errors.ts";
import { SERVICE, withWorld } from "../support/rpc-world.ts";
import { suite } from "../support/suite.ts";

const test = suite("rpc calls");
const paths = (error: HubError) => (error.details as { path: string }[]).map(({ path }) => path);

test("errors in the params name the path", () =>
  withWorld(async ({ ours: { member, taskId, projectId }, refusal }) => {
    const faults: [string, unknown, string][] = [
      ["tasks.get", {}, "id"],
      ["tasks.get", { id: "9".repeat(400) }, "id"],
      ["tasks.get", { id: taskId, more: 1 }, "more"],
      ["tasks.update", { id: taskId, set: { priority: 9 } }, "set.priority"],
      ["tasks.update", { id: taskId, set: { dependencyCount: 1 } }, "set.dependencyCount"],
      ["tasks.update", { id: taskId, set: {} }, "set"],
      ["tasks.update", { id: taskId, set: { title: "a\0b" } }, "set.title"],
      ["tasks.update", { id: taskId, set: { title: "\ud800" } }, "set.title"],
      ["tasks.update", { id: taskId, set: { title: "x".repeat(501) } }, "set.title"],
      [
        "tasks.update",
        { id: taskId, set: { workflowConfig: [{ mode: "nap", requireReview: true }] } },
        "set.workflowConfig.0.mode",
      ],
      ["tasks.update", { id: taskId, set: { actorId: `actor_${ulid()}` } }, "set.actorId"],
      ["tasks.list", { limit: 0 }, "limit"],
      ["tasks.list", { limit: 201 }, "limit"],
      ["tasks.list", { filter: { title: "T" } }, "filter.title"],
      ["tasks.list", { cursor: "nonsense" }, "cursor"],
      ["tasks.create", { projectId, title: " " }, "title"],
      ["tasks.create", { projectId, title: "T", list: "elsewhere" }, "list"],
    ];
    for (const [method, params, path] of faults) {
      const error = await refusal(member, method, params);
      assert.equal([error.code, paths(error)[0]], ["bad_request", path], JSON.stringify(params).slice(0, 80));
    }
  }));

test("a string over 256 KiB is too large, and an unknown method name is an error for any name", () =>
  withWorld(async ({ ours, refusal, call }) => {
    const id = ours.taskId;
    const description = "ä".repeat(128 * 1024);
    assert.is((await call(ours.member, "tasks.update", { id, set: { description } })).description, description);
    const large = await refusal(ours.member, "tasks.update", { id, set: { description: `${description}a` } });
    assert.is(large.code, "payload_too_large");
    for (const method of ["__proto__", "constructor", "tasks", "tasks.GET", ""])
      assert.is((await refusal(ours.member, method, {})).code, "unknown_method");
  }));

test("pages have no gaps and no repeats during concurrent inserts", () =>
  withWorld(async ({ ours: { member, projectId, taskId }, call }) => {
    const before = new Set([taskId]);
    for (let n = 0; n < 20; n += 1)
      before.add((await call(member, "tasks.create", { projectId, title: `${n}`, priority: 1 + (n % 5) })).id);
    const seen: string[] = [];
    let cursor: string | null = null;
    do {
      const page: Awaited<ReturnType<typeof call<"tasks.list">>> = await call(member, "tasks.list", {
        projectId,
        limit: 3,
        ...(cursor !== null && { cursor }),
      });
      seen.push(...page.items.map(({ id }) => id));
      cursor = page.nextCursor;
      if (seen.length < 30) await call(member, "tasks.create", { projectId, title: "concurrent", priority: 3 });
    } while (cursor !== null);
    assert.is(new Set(seen).size, seen.length);
    assert.ok([...before].every((id) => seen.includes(id)));
  }));

test("a cursor is valid only unchanged and for its own list", () =>
  withWorld(async ({ ours: { member, projectId }, call, refusal }) => {
    await call(member, "tasks.create", { projectId, title: "second" });
    const { nextCursor } = await call(member, "tasks.list", { projectId, limit: 1 });
    const cursor = nextCursor ?? "";
    assert.is((await call(member, "tasks.list", { projectId, limit: 1, cursor })).items[0]?.title, "second");
    const others: [string, object][] = [
      ["tasks.list", {}],
      ["tasks.list", { projectId, filter: { ready: true } }],
      ["projectWorkstations.list", { projectId }],
    ];
    for (const [method, params] of others)
      assert.is((await refusal(member, method, { ...params, cursor })).code, "bad_request");
    const changed = `${cursor.slice(0, -2)}${cursor.endsWith("A") ? "BB" : "AA"}`;
    assert.equal(paths(await refusal(member, "tasks.list", { projectId, cursor: changed })), ["cursor"]);
  }));

test("a row that changed since it was read is not overwritten or deleted", () =>
  withWorld(async ({ ours: { member, taskId: id }, call, refusal }) => {
    const { updatedAt } = await call(member, "tasks.get", { id });
    await call(member, "tasks.update", { id, set: { title: "first" }, ifUpdatedAt: updatedAt });
    const late = await refusal(member, "tasks.update", { id, set: { title: "second" }, ifUpdatedAt: updatedAt });
    assert.is(late.code, "conflict");
    assert.is((await refusal(member, "tasks.delete", { id, ifUpdatedAt: updatedAt })).code, "conflict");
    assert.is((await call(member, "tasks.get", { id })).title, "first");
  }));

test("a key replays the first answer, rejects other params, and is scoped to one principal and method", () =>
  withWorld(async ({ ours, call, refusal, touched }) => {
    const { projectId } = ours;
    const first = await call(ours.member, "tasks.create", { projectId, title: "once" }, "key");
    touched.length = 0;
    assert.equal(await call(ours.member, "tasks.create", { title: "once", projectId }, "key"), first);
    assert.equal(touched, []);
    assert.is((await refusal(ours.member, "tasks.create", { projectId, title: "other" }, "key")).code, "conflict");
    assert.is.not((await call(ours.admin, "tasks.create", { projectId, title: "once" }, "key")).id, first.id);
    assert.is((await refusal(ours.member, "tasks.create", { projectId, title: "x" }, "")).code, "bad_request");
    assert.is(
      (await refusal(ours.member, "tasks.create", { projectId, title: "x" }, "k".repeat(201))).code,
      "bad_request",
    );
  }));

test("a failed call leaves its key free, a deletion can be replayed, and a key is free again after a day", () =>
  withWorld(async ({ database, ours, call, refusal }) => {
    const { projectId, taskId, member } = ours;
    const missing = { projectId, title: "x", actorId: `actor_${ulid()}` };
    assert.is((await refusal(member, "tasks.create", missing, "k")).code, "bad_request");
    const made = await call(member, "tasks.create", { projectId, title: "x" }, "k");
    assert.equal(await call(member, "tasks.delete", { id: taskId }, "d"), { id: taskId });
    assert.equal(await call(member, "tasks.delete", { id: taskId }, "d"), { id: taskId });
    await database.query((sql) => sql`UPDATE rpc_results SET created_at = now() - interval '25 hours'`);
    assert.is.not((await call(member, "tasks.create", { projectId, title: "x" }, "k")).id, made.id);
  }));

test("concurrent calls with one key have one effect and one answer", () =>
  withWorld(async ({ ours: { member, projectId }, call }) => {
    const twins = await Promise.all(
      Array.from({ length: 6 }, () => call(member, "tasks.create", { projectId, title: "twin" }, "twins")),
    );
    assert.is(new Set(twins.map(({ id }) => id)).size, 1);
    const { items } = await call(member, "tasks.list", { projectId });
    assert.is(items.filter(({ title }) => title === "twin").length, 1);
  }));

test("a replay reveals no secret and checks the rights again", () =>
  withWorld(async ({ database, ours, call, refusal, forget }) => {
    const { admin, organizationId } = ours;
    const params = { organizationId, name: "laptop" };
    const first = await call(admin, "workstations.register", params, "r");
    const again = await call(admin, "workstations.register", params, "r");
    assert.equal(again, { workstation: first.workstation, registrationToken: null });
    const [kept] = await database.query((sql) => sql<{ text: string }[]>`SELECT answer::text AS text FROM rpc_results`);
    assert.not.ok(kept?.text.includes("wst_"));
    await database.query((sql) => sql`UPDATE organization_memberships SET role = 'member' WHERE user_id = ${admin.id}`);
    // Like the change feed after a change of a membership outside of the router.
    forget([{ entity: "user", id: admin.id }]);
    assert.is((await refusal(admin, "workstations.register", params, "r")).code, "forbidden");
  }));

test("reads ignore idempotency keys", () =>
  withWorld(async ({ database, ours, call }) => {
    await call(SERVICE, "tasks.get", { id: ours.taskId }, "k");
    const kept = await database.query((sql) => sql`SELECT 1 FROM rpc_results`);
    assert.is(kept.length, 0);
  }));

test.run();
