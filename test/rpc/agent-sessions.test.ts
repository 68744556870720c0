import { ulid } from "ulid";
import * as assert from "uvu/assert";
import { SERVICE, type World, withWorld } from "../support/rpc-world.ts";
import { suite } from "../support/suite.ts";
import { withChildren } from "../support/task-children.ts";

const test = suite("agent sessions");
const ISO = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;

/** Another workstation of our organization, attached to our project, with an agent. */
async function neighbour({ database, ours }: World): Promise<{ workstationId: string; agentId: string }> {
  const [workstationId, agentId] = [`ws_${ulid()}`, `agent_${ulid()}`];
  await database.transaction("test", async (sql) => {
    await sql`INSERT INTO workstations (id, organization_id, name) VALUES (${workstationId}, ${ours.organizationId}, 'N')`;
    await sql`INSERT INTO project_workstations (id, project_id, workstation_id)
      VALUES (${`projws_${ulid()}`}, ${ours.projectId}, ${workstationId})`;
    await sql`INSERT INTO agents (id, workstation_id, type, name) VALUES (${agentId}, ${workstationId}, 'cursor', 'B')`;
  });
  return { workstationId, agentId };
}

test("a workstation records its agents' sessions, and every member of the project can read them", () =>
  withWorld(async ({ ours, call, refusal }) => {
    const { taskId, agentId, workstation } = ours;
    const made = await call(workstation, "agentSessions.create", {
      taskId,
      agentId,
      mode: "plan",
      startReason: "pushed",
    });
    assert.equal([made.status, made.mode, made.endedAt, made.durationSeconds], ["starting", "plan", null, null]);
    assert.match(made.startedAt, ISO);
    const { id } = made;
    const set = {
      status: "completed",
      startedAt: "2026-01-01T12:00:00.000Z",
      endedAt: "2026-01-01T13:00:30.500+01:00",
      filesChanged: ["src/auth.ts"],
      commitsMade: [{ sha: "abc123", message: "Add login form" }],
      outputSummary: "done",
      recoveryAttempts: 2,
    };
    const ended = await call(workstation, "agentSessions.update", { id, set });
    assert.equal([ended.endedAt, ended.durationSeconds], ["2026-01-01T12:00:30.500Z", 30]);
    assert.equal([ended.filesChanged, ended.commitsMade], [set.filesChanged, set.commitsMade]);
    assert.equal(await call(ours.member, "agentSessions.get", { id }), ended);
    const [listed] = (await call(ours.member, "agentSessions.list", { filter: { taskId, status: "completed" } })).items;
    assert.is(listed?.id, id);
    for (const long of ["outputSummary", "filesChanged", "commitsMade", "errorMessage"])
      assert.not.ok(long in (listed ?? {}), long);
    assert.equal((await call(ours.member, "agentSessions.list", { filter: { status: "active" } })).items, []);
    // These methods do not restrict the order of statuses.
    assert.is((await call(workstation, "agentSessions.update", { id, set: { status: "active" } })).status, "active");
    assert.equal(await call(workstation, "agentSessions.delete", { id }), { id });
    assert.is((await refusal(workstation, "agentSessions.get", { id })).code, "not_found");
  }));

test("a final status sets the session's end time if the call does not", () =>
  withWorld(async ({ database, ours, call }) => {
    const { sessionId } = await withChildren(database, ours);
    const failed = await call(ours.workstation, "agentSessions.update", {
      id: sessionId,
      set: { status: "failed", errorType: "exit", errorMessage: "code 1" },
    });
    assert.match(failed.endedAt ?? "", ISO);
    assert.type(failed.durationSeconds, "number");
  }));

test("only the agent's workstation and services write sessions", () =>
  withWorld(async (world) => {
    const { ours, otherTenant, call, refusal } = world;
    const { taskId } = ours;
    const { agentId } = await neighbour(world);
    const { id } = await call(SERVICE, "agentSessions.create", { taskId, agentId });
    assert.is((await call(ours.workstation, "agentSessions.get", { id })).agentId, agentId);
    const set = { status: "failed" };
    for (const caller of [ours.workstation, ours.member, ours.owner]) {
      assert.is((await refusal(caller, "agentSessions.update", { id, set })).code, "forbidden");
      assert.is((await refusal(caller, "agentSessions.delete", { id })).code, "forbidden");
    }
    assert.is((await call(SERVICE, "agentSessions.update", { id, set })).status, "failed");
    const made = await refusal(ours.workstation, "agentSessions.create", { taskId, agentId });
    assert.ok(["not_found", "forbidden"].includes(made.code), made.code);
    assert.is((await refusal(ours.member, "agentSessions.create", { taskId, agentId })).code, "forbidden");
    const crossed = { taskId, agentId: otherTenant.agentId };
    for (const caller of [ours.workstation, SERVICE])
      assert.is((await refusal(caller, "agentSessions.create", crossed)).code, "not_found");
    const elsewhere = { taskId: otherTenant.taskId, agentId: ours.agentId };
    assert.is((await refusal(ours.workstation, "agentSessions.create", elsewhere)).code, "not_found");
    const bound = { kind: "service" as const, id: "bound", organizations: [otherTenant.organizationId] };
    assert.is((await refusal(bound, "agentSessions.update", { id, set })).code, "not_found");
  }));

test("a session's worktree must be on its agent's workstation and of its task's repository", () =>
  withWorld(async ({ database, ours, call, refusal }) => {
    const { taskId, agentId, workstation, workstationId } = ours;
    const [repo, clone, worktreeId] = [`repo_${ulid()}`, `wsrepo_${ulid()}`, `worktree_${ulid()}`];
    await database.transaction("test", async (sql) => {
      await sql`INSERT INTO project_repositories (id, project_id, name, github_url)
        VALUES (${repo}, ${ours.projectId}, 'R', 'https://github.test/a/b')`;
      await sql`INSERT INTO workstation_repositories (id, workstation_id, project_repository_id, main_path)
        VALUES (${clone}, ${workstationId}, ${repo}, '/r')`;
      await sql`INSERT INTO git_worktrees (id, workstation_repository_id, branch, worktree_path)
        VALUES (${worktreeId}, ${clone}, 'b', '/r/b')`;
    });
    const create = { taskId, agentId, worktreeId };
    const unfit = await refusal(workstation, "agentSessions.create", create);
    const missing = await refusal(workstation, "agentSessions.create", { ...create, worktreeId: `worktree_${ulid()}` });
    assert.equal([unfit.code, unfit.message], ["conflict", missing.message]);
    await call(ours.member, "tasks.update", { id: taskId, set: { projectRepositoryId: repo } });
    const made = await call(workstation, "agentSessions.create", create);
    const { items } = await call(ours.member, "agentSessions.list", { filter: { worktreeId, agentId } });
    assert.equal(
      items.map(({ id }) => id),
      [made.id],
    );
  }));

test("sessions of a deleted workstation remain as history", () =>
  withWorld(async ({ database, ours, call }) => {
    const { sessionId } = await withChildren(database, ours);
    await call(ours.admin, "workstations.delete", { id: ours.workstationId });
    assert.is((await call(ours.member, "agentSessions.get", { id: sessionId })).agentId, ours.agentId);
  }));

test.run();
