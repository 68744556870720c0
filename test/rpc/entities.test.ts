import { ulid } from "ulid";
import * as assert from "uvu/assert";
import { SERVICE, user, withWorld } from "../support/rpc-world.ts";
import { suite } from "../support/suite.ts";

const test = suite("rpc entities");
const ISO = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;

test("any user can create an organization, becomes its owner, and can use all its methods", () =>
  withWorld(async ({ database, call, refusal }) => {
    const founder = await user(database, null, "member");
    const made = await call(founder, "organizations.create", { name: "New", slug: "new-one", domain: "new.test" });
    assert.match(made.createdAt, ISO);
    assert.is(made.autoInviteToProjects, true);
    assert.equal(await call(founder, "organizations.get", { id: made.id }), made);
    const set = { name: "Newer", monsterAuthClientId: null };
    const changed = await call(founder, "organizations.update", { id: made.id, set, ifUpdatedAt: made.updatedAt });
    assert.is(changed.name, "Newer");
    assert.ok(changed.updatedAt > made.updatedAt);
    assert.is((await call(founder, "organizations.list", { filter: { slug: "new-one" } })).items[0]?.id, made.id);
    assert.equal(await call(founder, "organizations.delete", { id: made.id }), { id: made.id });
    assert.is((await refusal(founder, "organizations.get", { id: made.id })).code, "not_found");
    const again = await refusal(founder, "organizations.create", { name: "Again", slug: "new-one" });
    assert.is(again.code, "conflict");
    assert.is((again.details as { path: string }[])[0]?.path, "slug");
  }));

test("an admin archives and restores a project, which stays readable and takes no new tasks", () =>
  withWorld(async ({ ours, call, refusal, touched }) => {
    const { admin, member, organizationId } = ours;
    const made = await call(admin, "projects.create", { organizationId, name: "Second", slug: "second" });
    const id = made.id;
    const archived = await call(admin, "projects.update", { id, set: { status: "archived" } });
    assert.match(archived.archivedAt ?? "", ISO);
    assert.ok(touched.some((change) => change.entity === "project" && change.id === id));
    assert.is((await call(member, "projects.get", { id })).status, "archived");
    assert.is((await refusal(member, "tasks.create", { projectId: id, title: "late" })).code, "conflict");
    const restored = await call(admin, "projects.update", { id, set: { status: "active" } });
    assert.is(restored.archivedAt, null);
    assert.is((await call(admin, "projects.list", { filter: { slug: "second" } })).items.length, 1);
    await call(admin, "projects.delete", { id });
    assert.is((await refusal(admin, "projects.get", { id })).code, "not_found");
  }));

test("a workstation's token is returned once, works by its digest, and ends with rotation, suspension and deletion", () =>
  withWorld(async ({ database, ours, call, refusal, touched }) => {
    const { admin, organizationId } = ours;
    const { workstation, registrationToken } = await call(admin, "workstations.register", {
      organizationId,
      name: "laptop",
      os: "linux",
    });
    assert.match(registrationToken ?? "", /^wst_[A-Za-z0-9_-]{43}$/);
    assert.not.ok(JSON.stringify(workstation).match(/registration/i));
    const [row] = await database.query(
      (sql) =>
        sql<{ digest: string }[]>`SELECT registration_token AS digest FROM workstations WHERE id = ${workstation.id}`,
    );
    const caller = { kind: "workstation" as const, id: workstation.id, tokenDigest: row?.digest ?? "" };
    assert.is((await call(caller, "workstations.get", { id: workstation.id })).name, "laptop");
    const rotated = await call(admin, "workstations.rotateToken", { id: workstation.id });
    assert.is.not(rotated.registrationToken, registrationToken);
    assert.is((await refusal(caller, "workstations.get", { id: workstation.id })).code, "unauthenticated");
    const suspended = await call(admin, "workstations.update", { id: workstation.id, set: { status: "suspended" } });
    assert.is(suspended.status, "suspended");
    await call(admin, "workstations.delete", { id: workstation.id });
    assert.is((await refusal(admin, "workstations.get", { id: workstation.id })).code, "not_found");
    assert.ok(touched.filter(({ id }) => id === workstation.id).length >= 4);
  }));

test("an admin's change of a workstation's status only suspends it or lifts the suspension", () =>
  withWorld(async ({ database, ours, call }) => {
    const id = ours.workstationId;
    await database.query(
      (sql) => sql`UPDATE workstations SET status = 'online', last_ip_address = '10.1.2.3' WHERE id = ${id}`,
    );
    const lifted = await call(ours.admin, "workstations.update", { id, set: { status: "offline" } });
    assert.is(lifted.status, "online");
    assert.is(lifted.lastIpAddress, "10.1.2.3");
    assert.is(
      (await call(ours.admin, "workstations.update", { id, set: { status: "suspended" } })).status,
      "suspended",
    );
    assert.is((await call(ours.admin, "workstations.update", { id, set: { status: "offline" } })).status, "offline");
  }));

test("deleting a workstation returns its tasks and hides its attachments", () =>
  withWorld(async ({ database, ours, call }) => {
    await database.query(
      (sql) =>
        sql`UPDATE tasks SET active_agent_id = ${ours.agentId}, agent_session_status = 'ACTIVE' WHERE id = ${ours.taskId}`,
    );
    await call(ours.admin, "workstations.delete", { id: ours.workstationId });
    const task = await call(ours.member, "tasks.get", { id: ours.taskId });
    assert.is(task.agentSessionStatus, "INACTIVE");
    assert.is(task.activeAgentId, null);
    assert.equal((await call(ours.member, "projectWorkstations.list", { projectId: ours.projectId })).items, []);
  }));

test("an attachment is created once, updated and deleted, and touches both its sides", () =>
  withWorld(async ({ ours, call, refusal, touched }) => {
    const { admin, projectId, workstationId } = ours;
    const twice = await refusal(admin, "projectWorkstations.create", { projectId, workstationId });
    assert.is(twice.code, "conflict");
    await call(admin, "projectWorkstations.delete", { id: ours.attachmentId });
    const made = await call(admin, "projectWorkstations.create", { projectId, workstationId, priority: 5 });
    assert.equal([made.priority, made.canReceiveTasks], [5, true]);
    const set = { canReceiveTasks: false };
    assert.is((await call(admin, "projectWorkstations.update", { id: made.id, set })).canReceiveTasks, false);
    assert.is((await call(ours.member, "projectWorkstations.get", { id: made.id })).priority, 5);
    assert.is((await call(admin, "workstations.list", { projectId })).items.length, 1);
    assert.equal(
      new Set(touched.map(({ entity, id }) => `${entity} ${id}`)),
      new Set([`workstation ${workstationId}`, `project ${projectId}`]),
    );
  }));

test("a task has its own workflow, or its template's, its project's default or its organization's", () =>
  withWorld(async ({ database, ours, call }) => {
    const steps = (mode: string) => [{ mode, requireReview: true }];
    const template = async (mode: string) => {
      const id = `wftpl_${ulid()}`;
      await database.query(
        (sql) => sql`INSERT INTO workflow_templates (id, project_id, name, mode_sequence)
          VALUES (${id}, ${ours.projectId}, 'W', ${JSON.stringify(steps(mode))}::text::jsonb)`,
      );
      return id;
    };
    const effective = async () => (await call(ours.member, "tasks.get", { id: ours.taskId })).effectiveWorkflow;
    assert.is(await effective(), null);
    const { organizationId, projectId, taskId } = ours;
    const byOrganization = { defaultWorkflowTemplateId: await template("clarify") };
    await call(ours.owner, "organizations.update", { id: organizationId, set: byOrganization });
    assert.equal(await effective(), steps("clarify"));
    await call(ours.admin, "projects.update", {
      id: projectId,
      set: { defaultWorkflowTemplateId: await template("plan") },
    });
    assert.equal(await effective(), steps("plan"));
    await call(ours.member, "tasks.update", { id: taskId, set: { workflowTemplateId: await template("review") } });
    assert.equal(await effective(), steps("review"));
    await call(ours.member, "tasks.update", {
      id: taskId,
      set: { workflowConfig: [{ mode: "iterate", requireReview: false }] },
    });
    assert.equal(await effective(), [{ mode: "iterate", requireReview: false }]);
  }));

test("tasks are appended to their list, listed without long fields, in the order of the board", () =>
  withWorld(async ({ ours, call }) => {
    const { member, projectId } = ours;
    const orders = [];
    for (const title of ["a", "b"]) orders.push((await call(member, "tasks.create", { projectId, title })).listOrder);
    assert.equal(orders, [1_010, 1_020]);
    const urgent = await call(member, "tasks.create", {
      projectId,
      title: "c",
      priority: 5,
      planSteps: [{ step: "x" }],
    });
    assert.equal(urgent.planSteps, [{ step: "x" }]);
    const parallel = await Promise.all(
      ["d", "e", "f"].map((title) => call(member, "tasks.create", { projectId, title })),
    );
    assert.is(new Set(parallel.map(({ listOrder }) => listOrder)).size, 3);
    const { items } = await call(member, "tasks.list", { projectId, filter: { list: "todo", ready: false } });
    assert.equal(
      items.slice(0, 4).map(({ title }) => title),
      ["c", "T", "a", "b"],
    );
    assert.not.ok("description" in (items[0] ?? {}));
    assert.is(typeof items[0]?.listOrder, "number");
  }));

test("a list without free numbers is renumbered in its order", () =>
  withWorld(async ({ ours, call }) => {
    const { member, projectId } = ours;
    await call(member, "tasks.create", { projectId, title: "last", listOrder: 99_995 });
    const next = await call(member, "tasks.create", { projectId, title: "behind" });
    assert.ok(next.listOrder < 2_000);
    const { items } = await call(member, "tasks.list", { projectId });
    assert.equal(
      items.map(({ title }) => title),
      ["T", "last", "behind"],
    );
  }));

test("deletions take effect, and a task that is done has a completion time", () =>
  withWorld(async ({ ours, call, refusal }) => {
    const id = ours.taskId;
    assert.match((await call(ours.member, "tasks.update", { id, set: { list: "done" } })).completedAt ?? "", ISO);
    await call(SERVICE, "tasks.delete", { id });
    assert.is((await refusal(ours.member, "tasks.get", { id })).code, "not_found");
    assert.is((await refusal(ours.member, "tasks.delete", { id })).code, "not_found");
  }));

test.run();
