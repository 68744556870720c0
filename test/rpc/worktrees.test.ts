import { equal, is, not, ok } from "uvu/assert";
import type { HubError } from "../../hub/kernel/errors.ts";
import { freePath } from "../../hub/tasks/worktrees.ts";
import { addMachine } from "../support/on-site.ts";
import { SERVICE, type Tenant, type World, withWorld } from "../support/rpc-world.ts";
import { suite } from "../support/suite.ts";
import { neighbourOf, withWorktreeSite } from "../support/worktree-site.ts";

const test = suite("worktrees");

const pathsOf = ({ details }: HubError) => (details as { path: string }[]).map(({ path }) => path);
const ready = ({ call }: World, { workstation }: Tenant, id: string) =>
  call(workstation, "gitWorktrees.update", { id, set: { status: "ready" } });

test("a workstation's reports create its clone once and update it", () =>
  withWorld(async ({ ours, otherTenant, call, refusal, database }) => {
    const { workstation, projectId, admin } = ours;
    const repository = { projectId, name: "R", githubUrl: "https://github.com/acme/app" };
    const { id: projectRepositoryId } = await call(admin, "projectRepositories.create", repository);
    const report = { projectRepositoryId, mainPath: "/src", cloneStatus: "cloning" } as const;
    const method = "workstationRepositories.report";
    const twins = await Promise.all([1, 2, 3].map(() => call(workstation, method, report)));
    is(new Set(twins.map(({ id }) => id)).size, 1);
    equal([twins[0]?.cloneStatus, twins[0]?.lastSyncedAt, twins[0]?.mainBranch], ["cloning", null, "main"]);
    for (const more of [{}, { cloneError: " " }]) {
      const silent = await refusal(workstation, method, { ...report, cloneStatus: "error", ...more });
      equal([silent.code, pathsOf(silent)], ["bad_request", ["cloneError"]]);
    }
    const failed = await call(workstation, method, { ...report, cloneStatus: "error", cloneError: "no space" });
    equal([failed.cloneStatus, failed.cloneError], ["error", "no space"]);
    const done = await call(workstation, method, { ...report, cloneStatus: "ready", mainBranch: "trunk" });
    equal([done.cloneStatus, done.cloneError, done.mainBranch], ["ready", null, "trunk"]);
    ok(done.lastSyncedAt);
    const moved = await call(workstation, method, { ...report, mainPath: "/moved", cloneError: "none of it" });
    equal([moved.mainPath, moved.mainBranch, moved.cloneError], ["/moved", "trunk", null]);
    is(moved.lastSyncedAt, done.lastSyncedAt);
    for (const caller of [admin, ours.owner, SERVICE]) is((await refusal(caller, method, report)).code, "forbidden");
    is((await refusal(otherTenant.workstation, method, report)).code, "not_found");
    is((await refusal(await addMachine(database, ours), method, report)).code, "not_found");
    const wrong = [
      { mainBranch: "a b" },
      { mainPath: " " },
      { cloneStatus: "lost" },
      { workstationId: workstation.id },
    ];
    for (const more of wrong) is((await refusal(workstation, method, { ...report, ...more })).code, "bad_request");
    await call(admin, "projects.archive", { id: projectId });
    is((await refusal(workstation, method, report)).code, "conflict");
  }));

test("each workstation reports its own clone", () =>
  withWorktreeSite(async (world, ours, { repositoryId }) => {
    const { call } = world;
    const neighbour = await neighbourOf(world, ours);
    const report = { projectRepositoryId: repositoryId, mainPath: "/other", cloneStatus: "ready" } as const;
    is((await call(neighbour, "workstationRepositories.report", report)).workstationId, neighbour.id);
    const { items } = await call(ours.member, "workstationRepositories.list", {});
    equal(items.map(({ mainPath }) => mainPath).sort(), ["/other", "/src/app"]);
  }));

test("a branch has its worktree, another one reuses a vacant worktree, else a new one is created beside the clone", () =>
  withWorktreeSite(async (world, ours, { acquire }) => {
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

test("the longest unused vacant worktree is reused, and only a ready one", () =>
  withWorktreeSite(async ({ database, call }, ours, { acquire, release }) => {
    const made = await Promise.all(["a", "b", "c", "d", "e"].map((branch) => acquire(branch)));
    await Promise.all(made.slice(0, 4).map(({ id }) => release(id)));
    const unused = ["3 days", "5 days", "9 days", "8 days", "10 days"];
    const statuses = ["ready", "ready", "error", "busy", "ready"] as const;
    for (const [n, { id }] of made.entries())
      await database.query(
        (sql) => sql`UPDATE git_worktrees SET status = ${statuses[n] ?? ""}, error_message = 'old',
          last_used_at = now() - ${unused[n] ?? ""}::interval WHERE id = ${id}`,
      );
    const first = await acquire("x");
    equal([first.id, first.status, first.errorMessage], [made[1]?.id, "creating", null]);
    ok(Date.parse(first.lastUsedAt ?? "") > Date.parse(made[1]?.lastUsedAt ?? ""));
    is((await acquire("y")).id, made[0]?.id);
    const fresh = await acquire("z");
    not.ok(made.some(({ id }) => id === fresh.id));
    // A branch gets its own worktree in any status.
    equal([(await acquire("c")).id, (await acquire("c")).status], [made[2]?.id, "error"]);
    // The branch that lost its worktree gets another one, in its own folder.
    const again = await acquire("b");
    is.not(again.id, made[1]?.id);
    is.not(again.worktreePath, made[1]?.worktreePath);
    is((await call(ours.member, "gitWorktrees.list", {})).items.length, 7);
  }));

test("a session holds one worktree, which its end releases", () =>
  withWorktreeSite(async ({ call, refusal, database }, ours, { acquire, repositoryId }) => {
    const { member, workstation, taskId } = ours;
    await database.query((sql) => sql`UPDATE workstations SET status = 'online' WHERE id = ${ours.workstationId}`);
    await call(member, "tasks.update", { id: taskId, set: { ready: true } });
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

test("invalid calls are rejected, and no count changes", () =>
  withWorktreeSite(async ({ call, refusal, database, otherTenant }, ours, { acquire, repositoryId }) => {
    const { workstation, workstationId } = ours;
    const params = { workstationId, projectRepositoryId: repositoryId, branch: "b" };
    is((await refusal(otherTenant.workstation, "gitWorktrees.acquire", params)).code, "not_found");
    is((await refusal(await addMachine(database, ours), "gitWorktrees.acquire", params)).code, "not_found");
    is((await refusal(ours.member, "gitWorktrees.acquire", params)).code, "forbidden");
    for (const branch of ["-rf", "a b", "a..b", "", "x".repeat(101), 1]) {
      const wrong = await refusal(workstation, "gitWorktrees.acquire", { ...params, branch });
      equal([wrong.code, pathsOf(wrong)], ["bad_request", ["branch"]]);
    }
    const elsewhere = {
      ...params,
      projectRepositoryId: repositoryId.replace(/.$/, (last) => (last === "0" ? "1" : "0")),
    };
    is((await refusal(workstation, "gitWorktrees.acquire", elsewhere)).code, "not_found");
    const report = { projectRepositoryId: repositoryId, mainPath: "/src/app" };
    for (const state of [{ cloneStatus: "cloning" }, { cloneStatus: "error", cloneError: "no space" }] as const) {
      await call(workstation, "workstationRepositories.report", { ...report, ...state });
      is((await refusal(workstation, "gitWorktrees.acquire", params)).code, "conflict");
    }
    await call(workstation, "workstationRepositories.report", { ...report, cloneStatus: "ready" });
    const { id } = await acquire("b");
    await call(workstation, "gitWorktrees.release", { id });
    is((await refusal(workstation, "gitWorktrees.release", { id })).code, "conflict");
    is((await call(ours.member, "gitWorktrees.get", { id })).activeTaskCount, 0);
    is((await refusal(workstation, "gitWorktrees.release", { id: workstationId })).code, "bad_request");
    await call(ours.admin, "projects.archive", { id: ours.projectId });
    is((await refusal(workstation, "gitWorktrees.acquire", params)).code, "conflict");
  }));

test("long unused worktrees are listed for removal, longest unused first", () =>
  withWorktreeSite(async (world, ours, { acquire, release, session }) => {
    const { call, refusal, database, otherTenant } = world;
    const { member, workstation, workstationId } = ours;
    const [left, never] = [await acquire("left"), await acquire("never")];
    await Promise.all([release(left.id), release(never.id)]);
    await acquire("held");
    await acquire("in-a-session", await session());
    const stale = async (more: object = {}, caller = member) =>
      (await call(caller, "gitWorktrees.stale", { workstationId, ...more })).items.map(({ id }) => id);
    equal(await stale(), []);
    await database.query((sql) => sql`UPDATE git_worktrees SET last_used_at = now() - interval '8 days'`);
    await database.query(
      (sql) => sql`UPDATE git_worktrees SET last_used_at = NULL, created_at = now() - interval '10 days'
        WHERE id = ${never.id}`,
    );
    equal(await stale(), [never.id, left.id]);
    equal(await stale({ unusedDays: 9 }), [never.id]);
    equal(await stale({ unusedDays: 11 }), []);
    equal(await stale({}, workstation), [never.id, left.id]);
    await database.query((sql) => sql`UPDATE git_worktrees SET last_used_at = now() - interval '6 days 23 hours'`);
    equal(await stale(), []);
    equal(await stale({ unusedDays: 0 }), [left.id, never.id].sort());
    const neighbour = await neighbourOf(world, ours);
    for (const caller of [neighbour, otherTenant.owner, otherTenant.workstation])
      is((await refusal(caller, "gitWorktrees.stale", { workstationId })).code, "not_found");
    equal(await stale({ workstationId: neighbour.id, unusedDays: 0 }), []);
    for (const unusedDays of [-1, 1.5, "7", 3_651]) {
      const wrong = await refusal(member, "gitWorktrees.stale", { workstationId, unusedDays });
      equal([wrong.code, pathsOf(wrong)], ["bad_request", ["unusedDays"]]);
    }
  }));

test("paths use the format of the workstation's system", () => {
  is(freePath("/src/app/", "a/b", []), "/src/app-worktrees/a-b");
  is(freePath("C:\\src\\app", "a", []), "C:\\src\\app-worktrees\\a");
  is(freePath("/s", "a", ["/s-worktrees/a", "/s-worktrees/a-2"]), "/s-worktrees/a-3");
  is(freePath("/s", "Fix", ["/s-worktrees/fix"]), "/s-worktrees/Fix-2");
});

test.run();
