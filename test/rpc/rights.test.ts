import { ulid } from "ulid";
import * as assert from "uvu/assert";
import type { Caller } from "../../hub/rpc/caller.ts";
import { PROCEDURES } from "../../hub/rpc/entities/index.ts";
import { type Grant, may, mayAnywhere, mayManage, RIGHTS } from "../../hub/rpc/rights.ts";
import { callsOnSite, type OnSite, onSiteIds, withOnSite } from "../support/on-site.ts";
import { SERVICE, type Tenant, type World, withWorld } from "../support/rpc-world.ts";
import { suite } from "../support/suite.ts";
import { childIds, type TaskChildren, withChildren } from "../support/task-children.ts";

const test = suite("rpc rights");

type Rows = Tenant & TaskChildren & OnSite;
type Who = "member" | "admin" | "owner" | "service" | "workstation";
const WHO = ["member", "admin", "owner", "service", "workstation"] as const;
const PLACE = { organizationId: "org_a", projectId: "proj_a", workstationId: "ws_a", userId: "user_a" };

/** data.md's table: for whom each method is, on a row of its own organization (its own row for a workstation). */
const PEOPLE = ["member", "admin", "owner"] as const;
const ADMINS = ["admin", "owner", "service"] as const;
const MEMBERS = ["member", ...ADMINS] as const;
const ON_SITE = [...ADMINS, "workstation"] as const;
const SESSIONS = ["service", "workstation"] as const;
const EXPECTED: Record<string, readonly Who[]> = {
  "organizations.read": MEMBERS,
  "organizations.create": PEOPLE,
  "organizations.update": ["owner", "service"],
  "organizations.delete": ["owner", "service"],
  "organizationMemberships.read": MEMBERS,
  "organizationMemberships.create": ADMINS,
  "organizationMemberships.update": ADMINS,
  "organizationMemberships.delete": ADMINS,
  "users.read": [...PEOPLE, "service"],
  "users.create": ["service"],
  "users.update": ["service"],
  "users.delete": ["service"],
  "organizations.invite": ADMINS,
  "organizations.acceptInvite": PEOPLE,
  "organizations.suspendMember": ADMINS,
  "organizations.restoreMember": ADMINS,
  "projects.read": WHO,
  "projects.create": ADMINS,
  "projects.update": ADMINS,
  "projects.delete": ADMINS,
  "projects.archive": ADMINS,
  "projects.restore": ADMINS,
  "projects.attachWorkstation": ADMINS,
  "projects.detachWorkstation": ADMINS,
  "projects.updateMemory": MEMBERS,
  "workstations.read": WHO,
  "workstations.create": ADMINS,
  "workstations.update": ADMINS,
  "workstations.delete": ADMINS,
  "workstations.register": ADMINS,
  "workstations.rotateToken": ADMINS,
  "workstations.suspend": ADMINS,
  "workstations.resume": ADMINS,
  "workstations.assignments": WHO,
  "workstations.transitions": MEMBERS,
  "agents.read": WHO,
  "agents.create": ON_SITE,
  "agents.update": ON_SITE,
  "agents.delete": ON_SITE,
  "agents.report": ["workstation"],
  "agents.available": WHO,
  "projectWorkstations.read": WHO,
  "projectWorkstations.create": ADMINS,
  "projectWorkstations.update": ADMINS,
  "projectWorkstations.delete": ADMINS,
  "projectRepositories.read": WHO,
  "projectRepositories.create": ADMINS,
  "projectRepositories.update": ADMINS,
  "projectRepositories.delete": ADMINS,
  "workstationRepositories.read": WHO,
  "workstationRepositories.create": ON_SITE,
  "workstationRepositories.update": ON_SITE,
  "workstationRepositories.delete": ON_SITE,
  "workstationRepositories.report": ["workstation"],
  "gitWorktrees.read": WHO,
  "gitWorktrees.create": ON_SITE,
  "gitWorktrees.update": ON_SITE,
  "gitWorktrees.delete": ON_SITE,
  "gitWorktrees.acquire": ON_SITE,
  "gitWorktrees.release": ON_SITE,
  "gitWorktrees.stale": WHO,
  "workflowTemplates.read": WHO,
  "workflowTemplates.create": ADMINS,
  "workflowTemplates.update": ADMINS,
  "workflowTemplates.delete": ADMINS,
  "actors.read": WHO,
  "actors.create": ADMINS,
  "actors.update": ADMINS,
  "actors.delete": ADMINS,
  "tasks.read": WHO,
  "tasks.create": MEMBERS,
  "tasks.update": MEMBERS,
  "tasks.delete": MEMBERS,
  "tasks.move": WHO,
  "tasks.setReady": MEMBERS,
  "tasks.assignable": WHO,
  "tasks.assign": MEMBERS,
  "tasks.cancel": MEMBERS,
  "tasks.review": MEMBERS,
  "taskDependencies.read": WHO,
  "taskDependencies.create": MEMBERS,
  "taskDependencies.update": MEMBERS,
  "taskDependencies.delete": MEMBERS,
  "taskDependencies.resolve": MEMBERS,
  "taskAgents.read": WHO,
  "taskAgents.create": MEMBERS,
  "taskAgents.update": MEMBERS,
  "taskAgents.delete": MEMBERS,
  "taskAttachments.read": WHO,
  "taskAttachments.create": MEMBERS,
  "taskAttachments.update": MEMBERS,
  "taskAttachments.delete": MEMBERS,
  "agentSessions.read": WHO,
  "agentSessions.create": SESSIONS,
  "agentSessions.update": SESSIONS,
  "agentSessions.delete": SESSIONS,
  "agentSessions.start": SESSIONS,
  "agentSessions.progress": SESSIONS,
  "agentSessions.finish": SESSIONS,
  "agentSessions.refuse": SESSIONS,
  "audit.read": MEMBERS,
  "connections.read": ADMINS,
  "connections.kick": ADMINS,
  "channels.read": ADMINS,
  "publications.trace": ADMINS,
  "activity.read": MEMBERS,
};

function callerOf(who: Who, organizationId = PLACE.organizationId, workstationId = PLACE.workstationId): Caller {
  if (who === "service") return { kind: who, principal: { kind: who, id: "s", organizations: [organizationId] } };
  if (who === "workstation")
    return { kind: who, principal: { kind: who, id: workstationId, tokenDigest: "" }, projectIds: [] };
  return {
    kind: "user",
    principal: { kind: "user", id: "u", clientIds: null },
    roles: new Map([[organizationId, who]]),
  };
}

const grants = Object.entries(RIGHTS).flatMap(([entity, verbs]) =>
  Object.entries(verbs).map(([verb, grant]): [string, Grant] => [`${entity}.${verb}`, grant]),
);

test("every cell of the table is as data.md says, in the row's organization and in another", () => {
  assert.equal(grants.map(([name]) => name).sort(), Object.keys(EXPECTED).sort());
  for (const [name, grant] of grants) {
    for (const who of WHO) {
      const expected = EXPECTED[name]?.includes(who) ?? false;
      assert.is(may(callerOf(who), grant, PLACE, ["id"]), expected, `${who} ${name}`);
      const elsewhere = may(callerOf(who, "org_b", "ws_b"), grant, PLACE, ["id"]);
      const anywhere = ["organizations.create", "organizations.acceptInvite", "users.read"].includes(name);
      assert.is(elsewhere, anywhere && expected && who !== "service", `${who} ${name} elsewhere`);
    }
  }
});

test("members write a project's memory alone, workstations the worked-out fields of a task alone", () => {
  const { projects, tasks } = RIGHTS;
  assert.ok(may(callerOf("member"), projects.update, PLACE, ["memory"]));
  assert.not.ok(may(callerOf("member"), projects.update, PLACE, ["memory", "name"]));
  assert.ok(may(callerOf("workstation"), tasks.update, PLACE, ["planSpec", "refinedTitle", "list", "mode"]));
  for (const field of ["title", "priority", "actorId", "ready"])
    assert.not.ok(may(callerOf("workstation"), tasks.update, PLACE, [field]), field);
});

test("everybody writes his own profile but his address, and ends his own membership, in no other role", () => {
  const { users, organizationMemberships } = RIGHTS;
  const self = { ...PLACE, userId: "u" };
  const profile = ["name", "avatarUrl", "displayName", "timezone"];
  for (const who of ["member", "admin", "owner"] as const) {
    assert.ok(may(callerOf(who), users.update, self, profile), who);
    assert.not.ok(may(callerOf(who), users.update, self, ["email"]), who);
    assert.not.ok(may(callerOf(who), users.update, PLACE, profile), who);
    assert.not.ok(may(callerOf(who), users.delete, self), who);
  }
  assert.ok(may(callerOf("member"), organizationMemberships.delete, self));
  assert.ok(may(callerOf("member", "org_b"), organizationMemberships.delete, self));
  assert.not.ok(may(callerOf("member"), organizationMemberships.update, self, ["role"]));
  assert.ok(mayAnywhere(callerOf("member"), users.update));
  assert.not.ok(mayAnywhere(callerOf("workstation"), users.read));
});

test("admins manage up to admin, owners all, and nobody else anybody", () => {
  const managed = (own: "owner" | "admin" | "member" | null) =>
    (["member", "admin", "owner"] as const).filter((role) => mayManage(own, [role]));
  assert.equal(managed("owner"), ["member", "admin", "owner"]);
  assert.equal(managed("admin"), ["member", "admin"]);
  assert.equal(managed("member"), []);
  assert.equal(managed(null), []);
  assert.not.ok(mayManage("admin", ["owner", "member"]));
  assert.not.ok(mayManage("admin", ["member", "owner"]));
});

test("who may do something nowhere is refused without a look at any row", () => {
  assert.not.ok(mayAnywhere(callerOf("workstation"), RIGHTS.tasks.delete));
  assert.not.ok(mayAnywhere(callerOf("service"), RIGHTS.organizations.create));
  assert.ok(mayAnywhere(callerOf("workstation"), RIGHTS.tasks.update));
});

/** Every method that names a row, with params that would be good for one of this tenant's rows. */
function callsOn(tenant: Rows): [string, Record<string, unknown>][] {
  const { organizationId, projectId, workstationId, attachmentId, taskId, templateId, actorId } = tenant;
  const { membershipId, member, repositoryId, cloneId, worktreeId } = tenant;
  const { otherTaskId, dependencyId, taskAgentId, taskAttachmentId, sessionId, agentId } = tenant;
  const file = { filename: "a.png", originalFilename: "A.png", storagePath: "k" };
  const named: [string, string, object][] = [
    ["organizations", organizationId, { name: "Taken" }],
    ["users", member.id, { name: "Taken" }],
    ["organizationMemberships", membershipId, { role: "member" }],
    ["projects", projectId, { name: "Taken" }],
    ["workstations", workstationId, { name: "Taken" }],
    ["projectWorkstations", attachmentId, { priority: 1 }],
    ["tasks", taskId, { title: "Taken" }],
    ["workflowTemplates", templateId, { name: "Taken" }],
    ["actors", actorId, { name: "Taken" }],
    ["taskDependencies", dependencyId, { status: "resolved" }],
    ["taskAgents", taskAgentId, { priority: 1 }],
    ["taskAttachments", taskAttachmentId, { filename: "taken.png" }],
    ["agentSessions", sessionId, { status: "failed" }],
    ["agents", agentId, { name: "Taken" }],
    ["projectRepositories", repositoryId, { name: "Taken" }],
    ["workstationRepositories", cloneId, { mainPath: "/taken" }],
    ["gitWorktrees", worktreeId, { status: "error" }],
  ];
  return [
    ...named.flatMap(([entity, id, set]): [string, Record<string, unknown>][] => [
      [`${entity}.get`, { id }],
      [`${entity}.update`, { id, set }],
      [`${entity}.delete`, { id }],
    ]),
    ["workstations.rotateToken", { id: workstationId }],
    ["workstations.register", { organizationId, name: "W" }],
    ["workstations.create", { organizationId, name: "W" }],
    ["projects.create", { organizationId, name: "P" }],
    ["projectWorkstations.create", { projectId, workstationId }],
    ["tasks.create", { projectId, title: "T" }],
    ["workflowTemplates.create", { projectId, name: "F", modeSequence: [{ mode: "plan", requireReview: true }] }],
    ["actors.create", { projectId, name: "A" }],
    ["organizationMemberships.create", { organizationId, userId: member.id }],
    ["organizations.invite", { organizationId, email: "taken@example.test" }],
    ["organizations.acceptInvite", { organizationId }],
    ["organizations.suspendMember", { membershipId }],
    ["organizations.restoreMember", { membershipId }],
    ["projects.archive", { id: projectId }],
    ["projects.restore", { id: projectId }],
    ["projects.attachWorkstation", { projectId, workstationId }],
    ["projects.detachWorkstation", { projectId, workstationId }],
    ["projects.updateMemory", { id: projectId, memory: "Taken" }],
    ["tasks.move", { id: taskId, list: "done" }],
    ["tasks.setReady", { id: taskId, ready: true }],
    ["tasks.assign", { id: taskId }],
    ["tasks.cancel", { id: taskId }],
    ["tasks.review", { id: taskId, decision: "approve" }],
    ["taskDependencies.create", { taskId: otherTaskId, dependsOnTaskId: taskId }],
    ["taskDependencies.resolve", { id: dependencyId }],
    ["taskAgents.create", { taskId: otherTaskId, agentId }],
    ["taskAttachments.create", { taskId, ...file }],
    ["agentSessions.create", { taskId, agentId }],
    ["agentSessions.start", { id: sessionId }],
    ["agentSessions.progress", { id: sessionId }],
    ["agentSessions.finish", { id: sessionId, outcome: "failed" }],
    ["agentSessions.refuse", { id: sessionId, reason: "Taken" }],
    ["workstations.assignments", { id: workstationId }],
    ["workstations.transitions", { id: workstationId }],
    ["activity.get", { organizationId }],
    ["publications.trace", { id: taskId }],
    ["workstationRepositories.report", { projectRepositoryId: repositoryId, mainPath: "/m", cloneStatus: "ready" }],
    ["gitWorktrees.acquire", { workstationId, projectRepositoryId: repositoryId, branch: "taken" }],
    ["gitWorktrees.release", { id: worktreeId }],
    ["gitWorktrees.stale", { workstationId }],
    ["connections.kick", { id: workstationId }],
    ...callsOnSite(tenant),
  ];
}

const missing = (): Rows =>
  ({
    organizationId: `org_${ulid()}`,
    projectId: `proj_${ulid()}`,
    workstationId: `ws_${ulid()}`,
    attachmentId: `projws_${ulid()}`,
    taskId: `task_${ulid()}`,
    templateId: `wftpl_${ulid()}`,
    actorId: `actor_${ulid()}`,
    membershipId: `orgmem_${ulid()}`,
    agentId: `agent_${ulid()}`,
    member: { kind: "user", id: `user_${ulid()}`, clientIds: null },
    ...childIds(),
    ...onSiteIds(),
  }) as Rows;

async function answersOn(world: World, caller: Tenant["owner"], tenant: Rows): Promise<string[]> {
  const answers = [];
  for (const [method, params] of callsOn(tenant)) {
    const { code, message } = await world.refusal(caller, method, params);
    answers.push(`${method} ${code} ${message}`);
  }
  return answers;
}

test("another tenant's rows answer like rows that are not there, to everybody and on every method", () =>
  withWorld(async (world) => {
    const { ours } = world;
    const theirs = await withOnSite(world.database, await withChildren(world.database, world.theirs));
    const bound = { kind: "service" as const, id: "bound", organizations: [ours.organizationId] };
    for (const caller of [ours.owner, ours.member, ours.workstation, bound]) {
      const foreign = await answersOn(world, caller, theirs);
      assert.equal(foreign, await answersOn(world, caller, missing()));
      assert.ok(foreign.every((answer) => / (not_found|forbidden) /.test(answer)));
    }
    const asked = new Set(callsOn(theirs).map(([method]) => method));
    const namesNoRow = /\.list$|organizations\.create|users\.create|agents\.report|\.assignable$|\.available$/;
    const methods = PROCEDURES.map(({ method }) => method);
    assert.equal(
      methods.filter((method) => !namesNoRow.test(method) && !asked.has(method)),
      [],
    );
  }));

test("lists show a caller's own tenants alone, whatever the params ask for", () =>
  withWorld(async ({ ours, theirs, router }) => {
    for (const entity of [
      "organizations",
      "projects",
      "workstations",
      "projectWorkstations",
      "workflowTemplates",
      "actors",
      "tasks",
    ]) {
      for (const params of [{}, { organizationId: theirs.organizationId }, { projectId: theirs.projectId }]) {
        const call = {
          principal: ours.owner,
          method: `${entity}.list`,
          params,
          idempotencyKey: undefined,
          traceId: "t",
        };
        const { items } = (await router.call(call)) as { items: { id: string }[] };
        assert.is(items.length, Object.keys(params).length === 0 ? 1 : 0, `${entity} ${JSON.stringify(params)}`);
      }
    }
  }));

test("an attachment joins no workstation of another tenant, even for somebody of both", () =>
  withWorld(async ({ ours, theirs, refusal }) => {
    const params = { projectId: ours.projectId, workstationId: theirs.workstationId };
    assert.is((await refusal(SERVICE, "projectWorkstations.create", params)).code, "not_found");
  }));

test("a workstation reads itself and its projects, and changes what it works on while it is assigned", () =>
  withWorld(async ({ database, ours, call, refusal }) => {
    const { workstation, taskId, projectId, organizationId } = ours;
    const other = await call(ours.admin, "projects.create", { organizationId, name: "Other" });
    const hidden = await call(ours.admin, "tasks.create", { projectId: other.id, title: "hidden" });
    assert.equal(
      (await call(workstation, "projects.list", {})).items.map(({ id }) => id),
      [projectId],
    );
    assert.equal(
      (await call(workstation, "tasks.list", {})).items.map(({ id }) => id),
      [taskId],
    );
    assert.equal(
      (await call(workstation, "workstations.list", {})).items.map(({ id }) => id),
      [ours.workstationId],
    );
    assert.is((await refusal(workstation, "tasks.get", { id: hidden.id })).code, "not_found");
    const update = { id: taskId, set: { planSpec: "so", list: "review" as const } };
    assert.is((await refusal(workstation, "tasks.update", update)).code, "forbidden");
    await database.query((sql) => sql`UPDATE tasks SET active_agent_id = ${ours.agentId} WHERE id = ${taskId}`);
    assert.is((await call(workstation, "tasks.update", update)).planSpec, "so");
    assert.is((await refusal(workstation, "tasks.update", { id: taskId, set: { title: "no" } })).code, "forbidden");
  }));

test("a workstation that is suspended may call nothing", () =>
  withWorld(async ({ ours, call, refusal }) => {
    await call(ours.admin, "workstations.update", { id: ours.workstationId, set: { status: "suspended" } });
    assert.is((await refusal(ours.workstation, "tasks.get", { id: ours.taskId })).code, "suspended");
  }));

test.run();
