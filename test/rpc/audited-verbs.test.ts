import { ulid } from "ulid";
import { equal } from "uvu/assert";
import type { RpcMethod } from "../../client-sdk/protocol/index.ts";
import { type Principal, principalKey } from "../../hub/auth/principal.ts";
import { PROCEDURES } from "../../hub/rpc/router/methods.ts";
import { SERVICE, seen, type Tenant, user, type World } from "../support/rpc-world.ts";
import { suite } from "../support/suite.ts";
import { neighbourOf, type WorktreeSite, withWorktreeSite } from "../support/worktree-site.ts";

const test = suite("audit of verbs");

type Answer = { id: string };
type Call = (who: Principal, method: RpcMethod, params: object) => Promise<Answer>;

/** Calls every write method at least once, each time with a change. */
async function everything(call: Call, world: World, ours: Tenant, { repositoryId }: WorktreeSite): Promise<void> {
  const { owner, admin, member, workstation, organizationId, projectId, workstationId, agentId } = ours;
  const neighbour = await neighbourOf(world, ours);
  await call(workstation, "workstationRepositories.report", {
    projectRepositoryId: repositoryId,
    mainPath: "/src/moved",
    cloneStatus: "ready",
  });
  await peopleAndOrganizations(call, world, ours);
  const { id: project } = await rowLife(call, admin, "projects", { organizationId, name: "P" }, { name: "Q" }, true);
  await call(member, "projects.updateMemory", { id: project, memory: "m" });
  await call(admin, "projects.attachWorkstation", { projectId: project, workstationId });
  await call(admin, "projects.detachWorkstation", { projectId: project, workstationId });
  await call(admin, "projects.archive", { id: project });
  await call(admin, "projects.restore", { id: project });
  const attached = { projectId: project, workstationId };
  await rowLife(call, admin, "projectWorkstations", attached, { priority: 3 });
  const named = { projectId: project, name: "N" };
  await rowLife(
    call,
    admin,
    "workflowTemplates",
    { ...named, modeSequence: [{ mode: "plan", requireReview: true }] },
    { name: "M" },
  );
  await rowLife(call, admin, "actors", named, { name: "M" });
  const machine = await rowLife(call, admin, "workstations", { organizationId, name: "M" }, { name: "N" }, true);
  await call(admin, "workstations.register", { organizationId, name: "R" });
  await call(admin, "workstations.rotateToken", machine);
  await call(admin, "workstations.suspend", machine);
  await call(admin, "workstations.resume", machine);
  await call(admin, "workstations.delete", machine);
  await call(workstation, "agents.report", { agents: [{ type: "custom", name: "B" }] });
  await rowLife(call, admin, "agents", { workstationId, type: "custom", name: "C" }, { name: "D" });
  const { id: repository } = await rowLife(
    call,
    admin,
    "projectRepositories",
    { projectId, name: "S", githubUrl: "https://github.com/acme/other" },
    { lastAccessedAt: "2030-01-01T00:00:00.000Z" },
    true,
  );
  const clone = { workstationId, projectRepositoryId: repository, mainPath: "/src/other" };
  const { id: cloneId } = await rowLife(call, admin, "workstationRepositories", clone, { cloneStatus: "ready" }, true);
  const tree = { workstationRepositoryId: cloneId, branch: "b", worktreePath: "/src/b" };
  const { id: worktree } = await rowLife(
    call,
    admin,
    "gitWorktrees",
    tree,
    { lastUsedAt: "2030-01-01T00:00:00.000Z" },
    true,
  );
  const acquired = { workstationId, projectRepositoryId: repository, branch: "b" };
  await call(workstation, "gitWorktrees.acquire", acquired);
  await call(workstation, "gitWorktrees.acquire", acquired);
  await call(workstation, "gitWorktrees.release", { id: worktree });
  await call(admin, "gitWorktrees.release", { id: worktree });
  await call(admin, "gitWorktrees.delete", { id: worktree });
  await tasks(call, world, ours, neighbour);
  await call(
    SERVICE,
    "agentSessions.delete",
    await call(SERVICE, "agentSessions.create", { taskId: ours.taskId, agentId }),
  );
  for (const [name, id] of [
    ["workstationRepositories", cloneId],
    ["projectRepositories", repository],
    ["projects", project],
  ] as const)
    await call(admin, `${name}.delete`, { id });
  await call(admin, "projects.undelete", { id: project });
  await call(owner, "organizations.delete", { id: organizationId });
  await call(owner, "organizations.restore", { id: organizationId });
}

/** Creates a row, updates it, and deletes it unless it is kept. */
async function rowLife(
  call: Call,
  who: Principal,
  name: string,
  create: object,
  set: object,
  kept = false,
): Promise<Answer> {
  const { id } = await call(who, `${name}.create` as RpcMethod, create);
  await call(who, `${name}.update` as RpcMethod, { id, set });
  if (!kept) await call(who, `${name}.delete` as RpcMethod, { id });
  return { id };
}

async function peopleAndOrganizations(call: Call, world: World, ours: Tenant): Promise<void> {
  const { owner, admin, organizationId } = ours;
  const person = await user(world.database, null, "member");
  const made = { monsterAuthUserId: ulid(), email: "made@example.test" };
  await rowLife(call, SERVICE, "users", made, { name: "N" });
  await call(person, "organizations.create", { name: "New", slug: ulid().toLowerCase() });
  await call(owner, "organizations.update", { id: organizationId, set: { name: "Renamed" } });
  await call(admin, "organizations.invite", { organizationId, email: "invited@example.test" });
  await seen(world, person, "invited@example.test");
  await call(person, "organizations.declineInvite", { organizationId });
  await call(admin, "organizations.invite", { organizationId, email: "invited@example.test" });
  await seen(world, person, "invited@example.test");
  const { id: membershipId } = await call(person, "organizations.acceptInvite", { organizationId });
  world.forget([{ entity: "user", id: person.id }]);
  await call(admin, "organizations.suspendMember", { membershipId });
  await call(admin, "organizations.restoreMember", { membershipId });
  await call(admin, "organizationMemberships.delete", { id: membershipId });
  const [refused] = await world.database.query(
    (sql) => sql<{ id: number }[]>`INSERT INTO feed_refused (id, organization_id, code, reason)
      SELECT max(id), organization_id, 'conflict', 'r' FROM audit_events
      WHERE organization_id = ${organizationId} AND entity = 'organizations' GROUP BY organization_id RETURNING id::int`,
  );
  await call(admin, "feed.republish", { id: refused?.id });
  const member = { organizationId, userId: person.id };
  await rowLife(call, SERVICE, "organizationMemberships", member, { role: "admin" });
}

async function tasks(
  call: Call,
  world: World,
  ours: Tenant,
  neighbour: { id: string; agentId: string },
): Promise<void> {
  const { member, projectId, taskId, agentId } = ours;
  const agent = { kind: "workstation", id: neighbour.id } as Principal;
  const machine = Object.assign(agent, neighbour);
  await world.database.query((sql) => sql`UPDATE workstations SET status = 'online' WHERE id = ${neighbour.id}`);
  const { id } = await rowLife(call, member, "tasks", { projectId, title: "T" }, { title: "U" }, true);
  const dependency = await call(member, "taskDependencies.create", { taskId: id, dependsOnTaskId: taskId });
  await call(member, "taskDependencies.resolve", dependency);
  await call(member, "taskDependencies.update", { ...dependency, set: { dependencyType: "relates_to" } });
  await call(member, "taskDependencies.delete", dependency);
  await rowLife(call, member, "taskAgents", { taskId: id, agentId }, { priority: 3 });
  const file = { taskId: id, filename: "f", originalFilename: "f", storagePath: "/f" };
  await rowLife(call, member, "taskAttachments", file, { description: "d" });
  const row = await call(SERVICE, "agentSessions.create", { taskId, agentId });
  await call(SERVICE, "agentSessions.update", { ...row, set: { startReason: "r" } });
  await call(member, "tasks.move", { id, list: "doing" });
  await call(member, "tasks.move", { id, list: "todo" });
  await call(member, "tasks.setReady", { id, ready: true });
  const assign = () => call(member, "tasks.assign", { id, agentId: neighbour.agentId });
  await call(machine, "agentSessions.refuse", { ...(await assign()), reason: "r" } as object);
  await assign();
  await call(member, "tasks.cancel", { id });
  await call(member, "tasks.setReady", { id, ready: true });
  const session = await assign();
  await call(machine, "agentSessions.start", { id: session.id });
  await call(machine, "agentSessions.finish", { id: session.id, outcome: "completed" });
  await call(member, "tasks.review", { id, decision: "approve" });
  await call(member, "tasks.delete", { id });
}

test("every method that changes something creates an audit event of its caller", () =>
  withWorktreeSite(async (world, ours, site) => {
    const called = new Set<string>();
    const silent: string[] = [];
    const events = async (principal: string) => {
      const [row] = await world.database.query(
        (sql) => sql`SELECT count(*)::int AS n FROM audit_events WHERE principal = ${principal}`,
      );
      return Number(row?.n);
    };
    const call: Call = async (who, method, params) => {
      called.add(method);
      const before = await events(principalKey(who));
      const answer = (await world.call(who, method as "tasks.get", params as { id: string })) as Answer;
      if ((await events(principalKey(who))) === before) silent.push(method);
      return { id: answer.id };
    };
    await everything(call, world, ours, site);
    equal(silent, []);
    const writes = PROCEDURES.filter(({ kind }) => kind === "write").map(({ method }) => method);
    equal(
      writes.filter((method) => !called.has(method)),
      [],
    );
  }));

test.run();
