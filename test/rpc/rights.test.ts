import * as assert from "uvu/assert";
import type { Caller } from "../../hub/rpc/caller.ts";
import { type Grant, may, mayAnywhere, mayManage, RIGHTS } from "../../hub/rpc/rights.ts";
import { PROCEDURES } from "../../hub/rpc/router/methods.ts";
import { callsOn, missing, NAMES_NO_ROW, type Rows } from "../support/calls-on-rows.ts";
import { withOnSite } from "../support/on-site.ts";
import { SERVICE, type Tenant, type World, withWorld } from "../support/rpc-world.ts";
import { suite } from "../support/suite.ts";
import { withChildren } from "../support/task-children.ts";

const test = suite("rpc rights");

type Who = "member" | "admin" | "owner" | "service" | "workstation";
const WHO = ["member", "admin", "owner", "service", "workstation"] as const;
const PLACE = { organizationId: "org_a", projectId: "proj_a", workstationId: "ws_a", userId: "user_a" };

/** The table of data.md: who may call each method on a row of the caller's organization (a workstation: its own). */
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
  "organizations.restore": ["owner", "service"],
  "organizationMemberships.read": MEMBERS,
  "organizationMemberships.create": ADMINS,
  "organizationMemberships.update": ADMINS,
  "organizationMemberships.delete": ADMINS,
  "users.read": [...PEOPLE, "service"],
  "users.create": ["service"],
  "users.update": ["service"],
  "users.delete": ["service"],
  "organizations.invite": ADMINS,
  "organizations.invitations": PEOPLE,
  "organizations.acceptInvite": PEOPLE,
  "organizations.declineInvite": PEOPLE,
  "organizations.suspendMember": ADMINS,
  "organizations.restoreMember": ADMINS,
  "projects.read": WHO,
  "projects.create": ADMINS,
  "projects.update": ADMINS,
  "projects.delete": ADMINS,
  "projects.undelete": ADMINS,
  "purges.read": ADMINS,
  "feed.lag": MEMBERS,
  "feed.refused": ADMINS,
  "feed.republish": ADMINS,
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
    return {
      kind: who,
      principal: { kind: who, id: workstationId, tokenDigest: "" },
      organizationId: "org_x",
      projectIds: [],
    };
  return {
    kind: "user",
    principal: { kind: "user", id: "u", clientIds: null },
    roles: new Map([[organizationId, who]]),
  };
}

const grants = Object.entries(RIGHTS).flatMap(([entity, verbs]) =>
  Object.entries(verbs).map(([verb, grant]): [string, Grant] => [`${entity}.${verb}`, grant]),
);

/** Methods that users may call in any organization. */
const ANYWHERE = [
  "organizations.create",
  "organizations.invitations",
  "organizations.acceptInvite",
  "organizations.declineInvite",
  "users.read",
];

test("every cell of the table matches data.md, in the row's organization and in another", () => {
  assert.equal(grants.map(([name]) => name).sort(), Object.keys(EXPECTED).sort());
  for (const [name, grant] of grants) {
    for (const who of WHO) {
      const expected = EXPECTED[name]?.includes(who) ?? false;
      assert.is(may(callerOf(who), grant, PLACE, ["id"]), expected, `${who} ${name}`);
      const elsewhere = may(callerOf(who, "org_b", "ws_b"), grant, PLACE, ["id"]);
      const anywhere = ANYWHERE.includes(name);
      assert.is(elsewhere, anywhere && expected && who !== "service", `${who} ${name} elsewhere`);
    }
  }
});

test("members write only a project's memory, workstations only the worked-out fields of a task", () => {
  const { projects, tasks } = RIGHTS;
  assert.ok(may(callerOf("member"), projects.update, PLACE, ["memory"]));
  assert.not.ok(may(callerOf("member"), projects.update, PLACE, ["memory", "name"]));
  assert.ok(may(callerOf("workstation"), tasks.update, PLACE, ["planSpec", "refinedTitle", "list", "mode"]));
  for (const field of ["title", "priority", "actorId", "ready"])
    assert.not.ok(may(callerOf("workstation"), tasks.update, PLACE, [field]), field);
});

test("every user writes its own profile except the address, and ends its own membership, only as `self`", () => {
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

test("admins manage roles up to admin, owners all roles, and other callers none", () => {
  const managed = (own: "owner" | "admin" | "member" | null) =>
    (["member", "admin", "owner"] as const).filter((role) => mayManage(own, [role]));
  assert.equal(managed("owner"), ["member", "admin", "owner"]);
  assert.equal(managed("admin"), ["member", "admin"]);
  assert.equal(managed("member"), []);
  assert.equal(managed(null), []);
  assert.not.ok(mayManage("admin", ["owner", "member"]));
  assert.not.ok(mayManage("admin", ["member", "owner"]));
});

test("a caller without the right anywhere is rejected before any row is read", () => {
  assert.not.ok(mayAnywhere(callerOf("workstation"), RIGHTS.tasks.delete));
  assert.not.ok(mayAnywhere(callerOf("service"), RIGHTS.organizations.create));
  assert.ok(mayAnywhere(callerOf("workstation"), RIGHTS.tasks.update));
});

async function answersOn(world: World, caller: Tenant["owner"], tenant: Rows): Promise<string[]> {
  const answers = [];
  for (const [method, params] of callsOn(tenant)) {
    const { code, message } = await world.refusal(caller, method, params);
    answers.push(`${method} ${code} ${message}`);
  }
  return answers;
}

test("another tenant's rows get the same answers as missing rows, for every caller and method", () =>
  withWorld(async (world) => {
    const { ours } = world;
    const otherTenant = await withOnSite(world.database, await withChildren(world.database, world.otherTenant));
    const bound = { kind: "service" as const, id: "bound", organizations: [ours.organizationId] };
    for (const caller of [ours.owner, ours.member, ours.workstation, bound]) {
      const foreign = await answersOn(world, caller, otherTenant);
      assert.equal(foreign, await answersOn(world, caller, missing()));
      assert.ok(foreign.every((answer) => / (not_found|forbidden) /.test(answer)));
    }
    const asked = new Set(callsOn(otherTenant).map(([method]) => method));
    const methods = PROCEDURES.map(({ method }) => method);
    assert.equal(
      methods.filter((method) => !NAMES_NO_ROW.test(method) && !asked.has(method)),
      [],
    );
  }));

test("lists show only the caller's own tenants, for any params", () =>
  withWorld(async ({ ours, otherTenant, router }) => {
    for (const entity of [
      "organizations",
      "projects",
      "workstations",
      "projectWorkstations",
      "workflowTemplates",
      "actors",
      "tasks",
    ]) {
      for (const params of [{}, { organizationId: otherTenant.organizationId }, { projectId: otherTenant.projectId }]) {
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

test("a workstation of another tenant can't be attached, not even by a user of both tenants", () =>
  withWorld(async ({ ours, otherTenant, refusal }) => {
    const params = { projectId: ours.projectId, workstationId: otherTenant.workstationId };
    assert.is((await refusal(SERVICE, "projectWorkstations.create", params)).code, "not_found");
  }));

test("a workstation reads itself and its projects, and writes its tasks while they are assigned to it", () =>
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

test("a suspended workstation can't call any method", () =>
  withWorld(async ({ ours, call, refusal }) => {
    await call(ours.admin, "workstations.update", { id: ours.workstationId, set: { status: "suspended" } });
    assert.is((await refusal(ours.workstation, "tasks.get", { id: ours.taskId })).code, "suspended");
  }));

test.run();
