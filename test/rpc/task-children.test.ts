import type { TaskDependency } from "@monster-realtime/client/protocol";
import { ulid } from "ulid";
import * as assert from "uvu/assert";
import { shortestWay } from "../../hub/rpc/sql/dependency-cycle.ts";
import { refusalOf, SERVICE, type World, withWorld } from "../support/rpc-world.ts";
import { suite } from "../support/suite.ts";
import { type TaskChildren, withChildren } from "../support/task-children.ts";

const test = suite("rows that belong to tasks");
const ISO = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;
const path = (error: { details?: unknown }) => (error.details as { path: string }[] | undefined)?.[0]?.path;
const cycleOf = (error: { details?: unknown }) => (error.details as { cycle?: string[] } | undefined)?.cycle;

/** Creates that many tasks in our project. */
async function tasks({ ours, call }: World, count: number): Promise<string[]> {
  const made = [];
  for (let n = 0; n < count; n += 1)
    made.push((await call(ours.member, "tasks.create", { projectId: ours.projectId, title: `${n}` })).id);
  return made;
}

const wait = ({ ours, call }: World, taskId: string, dependsOnTaskId: string): Promise<TaskDependency> =>
  call(ours.member, "taskDependencies.create", { taskId, dependsOnTaskId });

test("an active dependency counts; it is resolved by a call or when its task is done", () =>
  withWorld(async (world) => {
    const { ours, call, refusal } = world;
    const [a = "", b = "", c = ""] = await tasks(world, 3);
    const count = async () => (await call(ours.member, "tasks.get", { id: a })).dependencyCount;
    const first = await wait(world, a, b);
    const second = await wait(world, a, c);
    assert.equal([first.dependencyType, first.status, first.resolvedAt], ["blocks", "active", null]);
    assert.match(first.createdAt, ISO);
    assert.is(await count(), 2);
    const resolved = await call(ours.member, "taskDependencies.resolve", { id: first.id });
    assert.is(resolved.status, "resolved");
    assert.match(resolved.resolvedAt ?? "", ISO);
    assert.equal(await call(SERVICE, "taskDependencies.resolve", { id: first.id }), resolved);
    await call(ours.member, "tasks.move", { id: c, list: "done" });
    assert.is((await call(ours.member, "taskDependencies.get", { id: second.id })).status, "resolved");
    assert.is(await count(), 0);
    const listed = async (filter: object) =>
      (await call(ours.member, "taskDependencies.list", { filter })).items.map(({ id }) => id);
    assert.equal(await listed({ taskId: a }), [first.id, second.id]);
    assert.equal(await listed({ dependsOnTaskId: c }), [second.id]);
    assert.equal(await listed({ status: "active" }), []);
    const again = await call(ours.member, "taskDependencies.update", { id: first.id, set: { status: "active" } });
    assert.is(again.resolvedAt, null);
    assert.is(await count(), 1);
    assert.equal(await call(ours.member, "taskDependencies.delete", { id: first.id }), { id: first.id });
    assert.is((await refusal(ours.member, "taskDependencies.get", { id: first.id })).code, "not_found");
  }));

test("a dependency that would close a cycle is rejected with the cycle, in every order of creation", () =>
  withWorld(async (world) => {
    const { ours, call, refusal } = world;
    const [a = "", b = "", c = "", d = ""] = await tasks(world, 4);
    const between = await wait(world, a, b);
    await wait(world, b, c);
    await wait(world, b, d);
    const closing = { taskId: c, dependsOnTaskId: a };
    const refused = await refusal(ours.member, "taskDependencies.create", closing);
    assert.is(refused.code, "conflict");
    assert.equal(cycleOf(refused), [c, a, b]);
    assert.ok(refused.message.includes(`${c}, ${a}, ${b}`));
    const related = await call(ours.member, "taskDependencies.create", { ...closing, dependencyType: "relates_to" });
    const update = { id: related.id, set: { dependencyType: "blocks" } };
    assert.equal(cycleOf(await refusal(ours.member, "taskDependencies.update", update)), [c, a, b]);
    await call(ours.member, "taskDependencies.resolve", { id: between.id });
    assert.is((await call(ours.member, "taskDependencies.update", update)).dependencyType, "blocks");
    const back = { id: between.id, set: { status: "active" } };
    assert.equal(cycleOf(await refusal(ours.member, "taskDependencies.update", back)), [a, b, c]);
  }));

test("a task that is done blocks no task, so it closes no cycle", () =>
  withWorld(async (world) => {
    const { ours, call } = world;
    const [a = "", b = ""] = await tasks(world, 2);
    await wait(world, a, b);
    await call(ours.member, "tasks.update", { id: a, set: { list: "done" } });
    assert.is((await wait(world, b, a)).status, "resolved");
  }));

test("of two crossing dependencies one is created, and the other is rejected with the cycle", () =>
  withWorld(async (world) => {
    for (let round = 0; round < 5; round += 1) {
      const [a = "", b = ""] = await tasks(world, 2);
      const twins = await Promise.allSettled([wait(world, a, b), wait(world, b, a)]);
      const [refused, ...others] = twins.filter((twin) => twin.status === "rejected");
      assert.is(others.length, 0);
      const error = await refusalOf(Promise.reject((refused as PromiseRejectedResult).reason));
      assert.is(error.code, "conflict");
      assert.equal(new Set(cycleOf(error)), new Set([a, b]));
    }
  }));

test("the cycle is found in a ladder with too many paths to enumerate", () => {
  const waits = Array.from({ length: 60 }, (_, n) =>
    ["l", "r"].flatMap((side) =>
      ["l", "r"].map((next) => ({ taskId: `${side}${n}`, dependsOnTaskId: `${next}${n + 1}` })),
    ),
  ).flat();
  assert.is(shortestWay(waits, "l0", "r60")?.length, 61);
  assert.equal(shortestWay(waits, "l0", "elsewhere"), null);
  assert.equal(shortestWay([], "a", "a"), ["a"]);
});

test("a dependency joins two different tasks of one project, once", () =>
  withWorld(async (world) => {
    const { ours, otherTenant, call, refusal } = world;
    const { id: projectId } = await call(ours.admin, "projects.create", {
      organizationId: ours.organizationId,
      name: "Other",
    });
    const { id: elsewhere } = await call(ours.member, "tasks.create", { projectId, title: "elsewhere" });
    const [a = "", b = ""] = await tasks(world, 2);
    await wait(world, a, b);
    const cases: [string, string, string, string?][] = [
      [a, elsewhere, "conflict"],
      [elsewhere, a, "conflict"],
      [a, b, "conflict", "dependsOnTaskId"],
      [a, a, "bad_request", "dependsOnTaskId"],
      [a, otherTenant.taskId, "not_found"],
      [otherTenant.taskId, a, "not_found"],
      [a, `task_${ulid()}`, "not_found"],
    ];
    for (const [taskId, dependsOnTaskId, code, where] of cases) {
      const error = await refusal(ours.member, "taskDependencies.create", { taskId, dependsOnTaskId });
      assert.equal([error.code, path(error)], [code, where], `${taskId} ${dependsOnTaskId}`);
    }
    const both = { taskId: a, dependsOnTaskId: otherTenant.taskId };
    assert.is((await refusal(SERVICE, "taskDependencies.create", both)).code, "conflict");
  }));

test("an agent is added to a task of its organization, once, and disappears with its workstation", () =>
  withWorld(async ({ ours, otherTenant, call, refusal }) => {
    const { taskId, agentId } = ours;
    const made = await call(ours.member, "taskAgents.create", { taskId, agentId, priority: 5 });
    assert.equal([made.taskId, made.agentId, made.priority], [taskId, agentId, 5]);
    assert.is((await refusal(ours.member, "taskAgents.create", { taskId, agentId })).code, "conflict");
    for (const caller of [ours.member, SERVICE])
      assert.is(
        (await refusal(caller, "taskAgents.create", { taskId, agentId: otherTenant.agentId })).code,
        "not_found",
      );
    const set = { priority: 7 };
    assert.is((await call(ours.member, "taskAgents.update", { id: made.id, set })).priority, 7);
    const { items } = await call(ours.member, "taskAgents.list", { filter: { agentId, taskId } });
    assert.equal(
      items.map(({ id }) => id),
      [made.id],
    );
    await call(ours.admin, "workstations.delete", { id: ours.workstationId });
    assert.is((await refusal(ours.member, "taskAgents.get", { id: made.id })).code, "not_found");
  }));

test("an attachment has the metadata of a file, with its size as a number of any size", () =>
  withWorld(async ({ ours, call }) => {
    const { taskId } = ours;
    const fileSize = Number.MAX_SAFE_INTEGER;
    const file = { filename: "a.png", originalFilename: "Ä.png", storagePath: "k/a.png" };
    const made = await call(ours.member, "taskAttachments.create", { taskId, ...file, fileSize });
    assert.is(made.fileSize, fileSize);
    assert.equal([made.storageProvider, made.attachmentType, made.storageUrl], ["s3", "other", null]);
    assert.match(made.uploadedAt, ISO);
    const set = { fileSize: 0, attachmentType: "spec", storageUrl: "https://cdn.example.test/a.png" };
    const changed = await call(ours.member, "taskAttachments.update", { id: made.id, set });
    assert.equal([changed.fileSize, changed.attachmentType, changed.storageUrl], [0, "spec", set.storageUrl]);
    const { items } = await call(ours.member, "taskAttachments.list", { filter: { attachmentType: "spec" } });
    assert.equal(items, [changed]);
    assert.equal(await call(ours.member, "taskAttachments.delete", { id: made.id }), { id: made.id });
  }));

const childrenOf = ({ dependencyId, taskAgentId, taskAttachmentId, sessionId }: TaskChildren): [string, string][] => [
  ["taskDependencies", dependencyId],
  ["taskAgents", taskAgentId],
  ["taskAttachments", taskAttachmentId],
  ["agentSessions", sessionId],
];

test("callers that can read a task can read its rows, and no caller reads another tenant's", () =>
  withWorld(async ({ database, ours, otherTenant, router, forget }) => {
    const [own, foreign] = [await withChildren(database, ours), await withChildren(database, otherTenant)];
    const listed = async (principal: typeof ours.member, entity: string, params: object) => {
      const call = { principal, method: `${entity}.list`, params, idempotencyKey: undefined };
      return ((await router.call(call)) as { items: { id: string }[] }).items.map(({ id }) => id);
    };
    for (const [entity, id] of childrenOf(own)) {
      for (const caller of [ours.member, ours.workstation]) {
        assert.equal(await listed(caller, entity, {}), [id], entity);
        assert.equal(await listed(caller, entity, { projectId: ours.projectId }), [id]);
        assert.equal(await listed(caller, entity, { projectId: otherTenant.projectId }), []);
        assert.equal(await listed(caller, entity, { organizationId: otherTenant.organizationId }), []);
        assert.equal(await listed(caller, entity, { filter: { taskId: foreign.taskId } }), []);
      }
    }
    await database.query((sql) => sql`DELETE FROM project_workstations WHERE id = ${ours.attachmentId}`);
    forget([{ entity: "workstation", id: ours.workstationId }]);
    for (const [entity] of childrenOf(own)) assert.equal(await listed(ours.workstation, entity, {}), [], entity);
  }));

test("rows without updatedAt accept no ifUpdatedAt, and archived projects allow no changes of them", () =>
  withWorld(async ({ database, ours, call, refusal }) => {
    const own = await withChildren(database, ours);
    const sets: Record<string, object> = {
      taskDependencies: { status: "resolved" },
      taskAgents: { priority: 1 },
      taskAttachments: { filename: "b" },
      agentSessions: { status: "active" },
    };
    const ifUpdatedAt = new Date().toISOString();
    for (const [entity, id] of childrenOf(own)) {
      const update = await refusal(SERVICE, `${entity}.update`, { id, set: sets[entity], ifUpdatedAt });
      assert.equal([update.code, path(update)], ["bad_request", "ifUpdatedAt"]);
      assert.equal(path(await refusal(SERVICE, `${entity}.delete`, { id, ifUpdatedAt })), "ifUpdatedAt");
    }
    await call(ours.admin, "projects.archive", { id: ours.projectId });
    for (const [entity, id] of childrenOf(own))
      assert.is((await refusal(SERVICE, `${entity}.update`, { id, set: sets[entity] })).code, "conflict", entity);
    const late = { taskId: own.otherTaskId, agentId: ours.agentId };
    assert.is((await refusal(ours.member, "taskAgents.create", late)).code, "conflict");
    assert.is((await refusal(SERVICE, "taskDependencies.resolve", { id: own.dependencyId })).code, "conflict");
  }));

test("bad input is rejected with its path, and large input is too large", () =>
  withWorld(async ({ database, ours, refusal }) => {
    const { taskId, agentId, taskAttachmentId, sessionId, dependencyId } = await withChildren(database, ours);
    const file = { taskId, filename: "a", originalFilename: "a", storagePath: "a" };
    const session = { taskId, agentId };
    const change = (set: object) => ({ id: taskAttachmentId, set });
    const faults: [string, object, string][] = [
      ["taskAttachments.create", { ...file, filename: "a\0b" }, "filename"],
      ["taskAttachments.create", { ...file, description: "\ud800" }, "description"],
      ["taskAttachments.create", { ...file, filename: " " }, "filename"],
      ["taskAttachments.create", { ...file, contentType: "x".repeat(101) }, "contentType"],
      ["taskAttachments.create", { ...file, uploadedAt: "2026-01-01T00:00:00.000Z" }, "uploadedAt"],
      ["taskAttachments.update", change({ fileSize: -1 }), "set.fileSize"],
      ["taskAttachments.update", change({ fileSize: 2 ** 53 }), "set.fileSize"],
      ["taskAttachments.update", change({ fileSize: "12" }), "set.fileSize"],
      ["taskAttachments.update", change({ storageUrl: "javascript:alert(1)" }), "set.storageUrl"],
      ["taskAttachments.update", change({ taskId }), "set.taskId"],
      ["taskAttachments.update", change({}), "set"],
      ["taskAttachments.update", change({ storageProvider: "tape" }), "set.storageProvider"],
      ["taskAgents.create", { taskId, agentId, priority: -1 }, "priority"],
      ["taskAgents.create", { taskId, agentId, priority: 1e9 }, "priority"],
      ["taskAgents.create", { taskId, agentId: taskId }, "agentId"],
      ["taskDependencies.update", { id: dependencyId, set: { resolvedAt: null } }, "set.resolvedAt"],
      ["taskDependencies.update", { id: dependencyId, set: { dependsOnTaskId: taskId } }, "set.dependsOnTaskId"],
      ["taskDependencies.resolve", { id: taskId }, "id"],
      ["agentSessions.create", { ...session, durationSeconds: 5 }, "durationSeconds"],
      ["agentSessions.create", { ...session, filesChanged: [1] }, "filesChanged.0"],
      ["agentSessions.create", { ...session, filesChanged: ["a\0"] }, "filesChanged.0"],
      ["agentSessions.create", { ...session, commitsMade: [{ sha: "abcd" }] }, "commitsMade.0.message"],
      ["agentSessions.create", { ...session, startedAt: "yesterday" }, "startedAt"],
      ["agentSessions.update", { id: sessionId, set: { endedAt: "2026-02-31T00:00:00Z" } }, "set.endedAt"],
      ["agentSessions.update", { id: sessionId, set: { startedAt: null } }, "set.startedAt"],
      ["agentSessions.update", { id: sessionId, set: { agentId } }, "set.agentId"],
      ["agentSessions.update", { id: sessionId, set: { recoveryAttempts: 0.5 } }, "set.recoveryAttempts"],
    ];
    for (const [method, params, where] of faults) {
      const error = await refusal(SERVICE, method, params);
      assert.equal([error.code, path(error)], ["bad_request", where], `${method} ${JSON.stringify(params)}`);
    }
    const description = "x".repeat(540_000);
    for (const [method, params] of [
      ["taskAttachments.create", { ...file, description }],
      ["agentSessions.create", { ...session, filesChanged: [description] }],
      ["tasks.update", { id: taskId, set: { description } }],
    ] as const)
      assert.is((await refusal(SERVICE, method, params)).code, "payload_too_large", method);
  }));

test("lists respect their limits and accept only their own cursors", () =>
  withWorld(async (world) => {
    const { ours, call, refusal } = world;
    const ids = await tasks(world, 4);
    for (const id of ids.slice(1)) await wait(world, ids[0] ?? "", id);
    const entities = ["taskDependencies", "taskAgents", "taskAttachments", "agentSessions"];
    const { items, nextCursor } = await call(ours.member, "taskDependencies.list", { limit: 2 });
    const cursor = nextCursor ?? "";
    const rest = await call(ours.member, "taskDependencies.list", { limit: 2, cursor });
    assert.equal([items.length, rest.items.length, rest.nextCursor], [2, 1, null]);
    assert.is(new Set([...items, ...rest.items].map(({ id }) => id)).size, 3);
    const changed = `${cursor.slice(0, -2)}${cursor.endsWith("A") ? "BB" : "AA"}`;
    for (const entity of entities) {
      for (const limit of [0, 1e9, 1.5]) {
        assert.equal(path(await refusal(ours.member, `${entity}.list`, { limit })), "limit");
      }
      const foreign = entity === "taskDependencies" ? { cursor, filter: { taskId: ids[0] } } : { cursor };
      for (const params of [foreign, { cursor: changed }, { cursor: "\0" }])
        assert.equal(path(await refusal(ours.member, `${entity}.list`, params)), "cursor");
      assert.equal(path(await refusal(ours.member, `${entity}.list`, { filter: { id: ids[0] } })), "filter.id");
    }
  }));

test("an idle task moves to another project of its organization, without references that the project lacks", () =>
  withWorld(async ({ database, ours, otherTenant, call, refusal, touched }) => {
    const { organizationId, taskId: id } = ours;
    const made = await call(ours.admin, "projects.create", { organizationId, name: "Other" });
    const { member, admin } = ours;
    const set = { projectId: made.id };
    const children = await withChildren(database, ours);
    const code = async (params: object) => (await refusal(member, "tasks.update", { id, set, ...params })).code;
    assert.is(await code({}), "conflict");
    await call(member, "taskDependencies.delete", { id: children.dependencyId });
    await database.query((sql) => sql`UPDATE tasks SET agent_session_status = 'PUSHING' WHERE id = ${id}`);
    assert.is(await code({}), "conflict");
    await database.query((sql) => sql`UPDATE tasks SET agent_session_status = 'INACTIVE' WHERE id = ${id}`);
    assert.is(await code({ set: { projectId: otherTenant.projectId } }), "not_found");
    assert.is(await code({ set: { projectId: `proj_${ulid()}` } }), "not_found");
    assert.is(await code({ ifUpdatedAt: "2020-01-01T00:00:00.000Z" }), "conflict");
    assert.is(
      (await refusal(SERVICE, "tasks.update", { id, set: { projectId: otherTenant.projectId } })).code,
      "conflict",
    );
    await database.query((sql) => sql`UPDATE tasks SET active_agent_id = ${ours.agentId} WHERE id = ${id}`);
    assert.is((await refusal(ours.workstation, "tasks.update", { id, set })).code, "forbidden");
    await call(admin, "projects.archive", { id: made.id });
    assert.is(await code({}), "conflict");
    await call(admin, "projects.restore", { id: made.id });
    await call(member, "tasks.update", {
      id,
      set: { workflowTemplateId: ours.templateId, actorId: ours.actorId },
    });
    const actor = await call(admin, "actors.create", { projectId: made.id, name: "There" });
    touched.length = 0;
    const moved = await call(member, "tasks.update", { id, set: { ...set, actorId: actor.id } });
    assert.equal([moved.projectId, moved.workflowTemplateId, moved.actorId], [made.id, null, actor.id]);
    assert.equal(touched, [{ entity: "task", id }]);
    assert.is((await call(member, "taskAttachments.list", { projectId: made.id })).items.length, 1);
    assert.is((await refusal(ours.workstation, "tasks.get", { id })).code, "not_found");
  }));

test("a user who may write in only one of two projects can't move a task between them", () =>
  withWorld(async ({ database, ours, otherTenant, refusal }) => {
    await database.query(
      (sql) => sql`INSERT INTO organization_memberships (id, organization_id, user_id, role)
        VALUES (${`orgmem_${ulid()}`}, ${otherTenant.organizationId}, ${ours.member.id}, 'member')`,
    );
    const move = { id: ours.taskId, set: { projectId: otherTenant.projectId } };
    const error = await refusal(ours.member, "tasks.update", move);
    assert.is(error.code, "conflict");
    assert.match(error.message, /organization/);
  }));

test("a task's listOrder can still be set directly", () =>
  withWorld(async ({ ours, call }) => {
    const set = { listOrder: 12.34567 };
    assert.is((await call(ours.member, "tasks.update", { id: ours.taskId, set })).listOrder, 12.34567);
  }));

test.run();
