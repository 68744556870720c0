import { equal, is, not, ok } from "uvu/assert";
import type { GitWorktree } from "../../client-sdk/protocol/index.ts";
import { freePath } from "../../hub/tasks/worktrees.ts";
import { addMachine } from "../support/on-site.ts";
import { type Tenant, type World, withWorld } from "../support/rpc-world.ts";
import { suite } from "../support/suite.ts";

const test = suite("worktrees");

interface Site {
  repositoryId: string;
  acquire(branch: string, sessionId?: string): Promise<GitWorktree>;
}

/** A repository whose clone on the tenant's workstation is ready. */
async function withSite(body: (world: World, ours: Tenant, site: Site) => Promise<void>): Promise<void> {
  await withWorld(async (world) => {
    const { ours, call } = world;
    const { projectId, workstationId, workstation } = ours;
    const repository = { projectId, name: "R", githubUrl: "https://github.com/acme/app", maxConcurrentTasks: 0 };
    const { id: projectRepositoryId } = await call(ours.admin, "projectRepositories.create", repository);
    const told = { projectRepositoryId, mainPath: "/src/app", cloneStatus: "ready" } as const;
    await call(workstation, "workstationRepositories.report", told);
    const acquire = (branch: string, sessionId?: string) =>
      call(workstation, "gitWorktrees.acquire", {
        workstationId,
        projectRepositoryId,
        branch,
        ...(sessionId === undefined ? {} : { sessionId }),
      });
    await body(world, ours, { repositoryId: projectRepositoryId, acquire });
  });
}

const ready = ({ call }: World, { workstation }: Tenant, id: string) =>
  call(workstation, "gitWorktrees.update", { id, set: { status: "ready" } });

test("a workstation's reports make its clone once and keep it true", () =>
  withWorld(async ({ ours, theirs, call, refusal, database }) => {
    const { workstation, projectId, admin } = ours;
    const repository = { projectId, name: "R", githubUrl: "https://github.com/acme/app" };
    const { id: projectRepositoryId } = await call(admin, "projectRepositories.create", repository);
    const report = { projectRepositoryId, mainPath: "/src", cloneStatus: "cloning" } as const;
    const method = "workstationRepositories.report";
    const twins = await Promise.all([1, 2, 3].map(() => call(workstation, method, report)));
    is(new Set(twins.map(({ id }) => id)).size, 1);
    equal([twins[0]?.cloneStatus, twins[0]?.lastSyncedAt, twins[0]?.mainBranch], ["cloning", null, "main"]);
    is((await refusal(workstation, method, { ...report, cloneStatus: "error" })).code, "bad_request");
    const failed = await call(workstation, method, { ...report, cloneStatus: "error", cloneError: "no space" });
    equal([failed.cloneStatus, failed.cloneError], ["error", "no space"]);
    const done = await call(workstation, method, { ...report, cloneStatus: "ready", mainBranch: "trunk" });
    equal([done.cloneStatus, done.cloneError, done.mainBranch], ["ready", null, "trunk"]);
    ok(done.lastSyncedAt);
    is((await refusal(admin, method, report)).code, "forbidden");
    is((await refusal(theirs.workstation, method, report)).code, "not_found");
    is((await refusal(await addMachine(database, ours), method, report)).code, "not_found");
    is((await refusal(workstation, method, { ...report, mainBranch: "a b" })).code, "bad_request");
  }));

test("a branch has its worktree, another takes a vacant one, and else a new one is made beside the clone", () =>
  withSite(async (world, ours, { acquire }) => {
    const { call } = world;
    const first = await acquire("feature/login");
    equal([first.status, first.activeTaskCount], ["creating", 1]);
    is(first.worktreePath, "/src/app-worktrees/feature-login");
    const again = await acquire("feature/login");
    equal([again.id, again.activeTaskCount], [first.id, 2]);
    const second = await acquire("feature-login");
    equal([second.worktreePath, second.activeTaskCount], ["/src/app-worktrees/feature-login-2", 1]);
    await call(ours.workstation, "gitWorktrees.release", { id: second.id });
    const unready = await acquire("other");
    is.not(unready.id, second.id);
    await ready(world, ours, second.id);
    const reused = await acquire("third");
    equal([reused.id, reused.branch, reused.status, reused.activeTaskCount], [second.id, "third", "creating", 1]);
    is(reused.worktreePath, second.worktreePath);
  }));

test("what is acquired at once is given out one after the other", () =>
  withSite(async ({ call }, ours, { acquire }) => {
    const one = await Promise.all(Array.from({ length: 10 }, () => acquire("same")));
    is(new Set(one.map(({ id }) => id)).size, 1);
    const many = await Promise.all(Array.from({ length: 10 }, (_, n) => acquire(`branch-${n}`)));
    is(new Set(many.map(({ worktreePath }) => worktreePath)).size, 10);
    const { items } = await call(ours.member, "gitWorktrees.list", {});
    is(
      items.reduce((sum, { activeTaskCount }) => sum + activeTaskCount, 0),
      20,
    );
  }));

test("a session holds one worktree, and its end gives it back", () =>
  withSite(async ({ call, refusal, database }, ours, { acquire, repositoryId }) => {
    const { member, workstation, taskId } = ours;
    await database.query((sql) => sql`UPDATE workstations SET status = 'online' WHERE id = ${ours.workstationId}`);
    await call(member, "tasks.update", { id: taskId, set: { ready: true, projectRepositoryId: repositoryId } });
    const { id: sessionId } = await call(member, "tasks.assign", { id: taskId });
    const first = await acquire("one", sessionId);
    equal([(await acquire("one", sessionId)).id, (await acquire("one", sessionId)).activeTaskCount], [first.id, 1]);
    const second = await acquire("two", sessionId);
    not.equal(second.id, first.id);
    is((await call(member, "gitWorktrees.get", { id: first.id })).activeTaskCount, 0);
    is((await call(workstation, "workstations.assignments", {})).items[0]?.worktreeId, second.id);
    is((await refusal(workstation, "gitWorktrees.release", { id: second.id })).code, "conflict");
    await call(workstation, "agentSessions.start", { id: sessionId });
    await call(workstation, "agentSessions.finish", { id: sessionId, outcome: "completed" });
    is((await call(member, "gitWorktrees.get", { id: second.id })).activeTaskCount, 0);
    is((await call(member, "agentSessions.get", { id: sessionId })).worktreeId, second.id);
    const clone = { workstationId: ours.workstationId, projectRepositoryId: repositoryId, branch: "x" };
    is((await refusal(workstation, "gitWorktrees.acquire", { ...clone, sessionId })).code, "conflict");
    await call(member, "tasks.update", { id: taskId, set: { list: "todo" } });
    const { id: next } = await call(member, "tasks.assign", { id: taskId });
    is((await acquire("two", next)).activeTaskCount, 1);
    await call(member, "tasks.delete", { id: taskId });
    is((await call(member, "gitWorktrees.get", { id: second.id })).activeTaskCount, 0);
  }));

test("what can't be is refused, and nothing is counted", () =>
  withSite(async ({ call, refusal, database, theirs }, ours, { acquire, repositoryId }) => {
    const { workstation, workstationId } = ours;
    const params = { workstationId, projectRepositoryId: repositoryId, branch: "b" };
    is((await refusal(theirs.workstation, "gitWorktrees.acquire", params)).code, "not_found");
    is((await refusal(await addMachine(database, ours), "gitWorktrees.acquire", params)).code, "not_found");
    is((await refusal(ours.member, "gitWorktrees.acquire", params)).code, "forbidden");
    is((await refusal(workstation, "gitWorktrees.acquire", { ...params, branch: "-rf" })).code, "bad_request");
    const elsewhere = {
      ...params,
      projectRepositoryId: repositoryId.replace(/.$/, (last) => (last === "0" ? "1" : "0")),
    };
    is((await refusal(workstation, "gitWorktrees.acquire", elsewhere)).code, "not_found");
    const report = { projectRepositoryId: repositoryId, mainPath: "/src/app" };
    await call(workstation, "workstationRepositories.report", { ...report, cloneStatus: "cloning" });
    is((await refusal(workstation, "gitWorktrees.acquire", params)).code, "conflict");
    await call(workstation, "workstationRepositories.report", { ...report, cloneStatus: "ready" });
    const { id } = await acquire("b");
    await call(workstation, "gitWorktrees.release", { id });
    is((await refusal(workstation, "gitWorktrees.release", { id })).code, "conflict");
    is((await call(ours.member, "gitWorktrees.get", { id })).activeTaskCount, 0);
  }));

test("worktrees that nobody used for long are listed for their removal", () =>
  withSite(async ({ call, database }, ours, { acquire }) => {
    const { member, workstation, workstationId } = ours;
    const [held, left] = [await acquire("held"), await acquire("left")];
    await call(workstation, "gitWorktrees.release", { id: left.id });
    const stale = async (more: object = {}) =>
      (await call(member, "gitWorktrees.stale", { workstationId, ...more })).items.map(({ id }) => id);
    equal(await stale(), []);
    await database.query((sql) => sql`UPDATE git_worktrees SET last_used_at = now() - interval '8 days'`);
    equal(await stale(), [left.id]);
    equal(await stale({ unusedDays: 9 }), []);
    not.equal(held.id, left.id);
  }));

test("paths are made in the manner of the machine", () => {
  is(freePath("/src/app/", "a/b", new Set()), "/src/app-worktrees/a-b");
  is(freePath("C:\\src\\app", "a", new Set()), "C:\\src\\app-worktrees\\a");
  is(freePath("/s", "a", new Set(["/s-worktrees/a", "/s-worktrees/a-2"])), "/s-worktrees/a-3");
});

test.run();
