import { equal, is, not } from "uvu/assert";
import { SERVICE } from "../support/rpc-world.ts";
import { suite } from "../support/suite.ts";
import { neighbourOf, withWorktreeSite } from "../support/worktree-site.ts";

const test = suite("worktree holds");
const times = <Result>(count: number, make: (n: number) => Promise<Result>) =>
  Promise.all(Array.from({ length: count }, (_, n) => make(n)));

test("twenty concurrent calls for one branch share its worktree, and twenty for different branches each get their own", () =>
  withWorktreeSite(async ({ call }, ours, { acquire, recount }) => {
    const same = await times(20, () => acquire("same"));
    is(new Set(same.map(({ id }) => id)).size, 1);
    equal(
      same.map(({ activeTaskCount }) => activeTaskCount).sort((a, b) => a - b),
      same.map((_, n) => n + 1),
    );
    const many = await times(20, (n) => acquire(`branch/${n}`));
    is(new Set(many.map(({ id }) => id)).size, 20);
    const { items } = await call(ours.member, "gitWorktrees.list", {});
    is(new Set(items.map(({ worktreePath }) => worktreePath)).size, 21);
    const counted = [...(await recount()).values()].map(({ beyond }) => beyond);
    equal(
      counted.sort((a, b) => b - a),
      [20, ...many.map(() => 1)],
    );
  }));

test("concurrent calls take different vacant worktrees", () =>
  withWorktreeSite(async ({ database }, _, { acquire, release, recount }) => {
    const old = await times(5, (n) => acquire(`old-${n}`));
    await Promise.all(old.map(({ id }) => release(id)));
    await database.query((sql) => sql`UPDATE git_worktrees SET status = 'ready'`);
    const next = await times(8, (n) => acquire(`new-${n}`));
    is(new Set(next.map(({ id }) => id)).size, 8);
    is(new Set(next.map(({ worktreePath }) => worktreePath)).size, 8);
    is(next.filter(({ id }) => old.some((one) => one.id === id)).length, 5);
    equal(
      [...(await recount()).values()].map(({ beyond }) => beyond),
      next.map(() => 1),
    );
  }));

test("holds without a session are released as often as they were acquired, and sessions keep their holds", () =>
  withWorktreeSite(async ({ call, refusal }, { workstation }, { acquire, session, recount }) => {
    const { id } = await acquire("b", await session());
    await times(4, () => acquire("b"));
    const outcomes = await times(7, () =>
      call(workstation, "gitWorktrees.release", { id }).then(
        () => "released",
        ({ code }) => code,
      ),
    );
    is(outcomes.filter((outcome) => outcome === "released").length, 4);
    is(outcomes.filter((outcome) => outcome === "conflict").length, 3);
    equal((await recount()).get(id), { sessions: 1, beyond: 0 });
    const { code, details } = await refusal(workstation, "gitWorktrees.release", { id });
    equal([code, details], ["conflict", { reason: "not_held" }]);
  }));

test("a session that acquires concurrently holds one worktree, that of its last branch", () =>
  withWorktreeSite(async ({ call, database }, { member }, { acquire, session, recount }) => {
    const id = await session();
    const same = await times(5, () => acquire("same", id));
    equal([...new Set(same.map(({ id, activeTaskCount }) => `${id} ${activeTaskCount}`))], [`${same[0]?.id} 1`]);
    // Other vacant worktrees exist: the session gets the one it released only if that is next.
    await database.query((sql) => sql`UPDATE git_worktrees SET status = 'ready'`);
    await times(6, (n) => acquire(`branch-${n}`, id));
    const { worktreeId } = await call(member, "agentSessions.get", { id });
    const held = [...(await recount())].filter(([, { sessions, beyond }]) => sessions + beyond > 0);
    equal(held, [[worktreeId, { sessions: 1, beyond: 0 }]]);
    is((await acquire("last", id)).branch, "last");
  }));

test("only an open session, of an agent of this workstation and a task of this repository, gets a worktree", () =>
  withWorktreeSite(async (world, ours, { acquire, session, recount, repositoryId }) => {
    const { call, refusal, otherTenant } = world;
    const { workstation, workstationId, taskId, agentId, member, admin, projectId } = ours;
    const refused = async (sessionId: string) => {
      const params = { workstationId, projectRepositoryId: repositoryId, branch: "b", sessionId };
      return (await refusal(workstation, "gitWorktrees.acquire", params)).code;
    };
    const neighbour = await neighbourOf(world, ours);
    const elsewhere = { taskId, agentId: neighbour.agentId };
    is(await refused((await call(neighbour, "agentSessions.create", elsewhere)).id), "conflict");
    for (const status of ["completed", "failed", "timeout"]) is(await refused(await session({ status })), "conflict");
    const foreign = { taskId: otherTenant.taskId, agentId: otherTenant.agentId };
    is(await refused((await call(otherTenant.workstation, "agentSessions.create", foreign)).id), "not_found");
    const other = { projectId, name: "O", githubUrl: "https://github.com/acme/other" };
    const { id: projectRepositoryId } = await call(admin, "projectRepositories.create", other);
    const { id: otherTask } = await call(member, "tasks.create", { projectId, title: "T", projectRepositoryId });
    is(await refused(await session({ taskId: otherTask, agentId })), "conflict");
    is((await recount()).size, 0);
    is((await acquire("b", await session({ status: "active" }))).activeTaskCount, 1);
  }));

test("open sessions written as rows count in the worktrees they name", () =>
  withWorktreeSite(async ({ call }, { workstation }, { acquire, session, count }) => {
    const [a, b] = [await acquire("a"), await acquire("b")];
    not.equal(a.id, b.id);
    const update = (id: string, set: object) => call(workstation, "agentSessions.update", { id, set });
    const id = await session({ worktreeId: a.id });
    equal([await count(a.id), await count(b.id)], [2, 1]);
    await update(id, { worktreeId: b.id });
    equal([await count(a.id), await count(b.id)], [1, 2]);
    await update(id, { worktreeId: b.id, workingDirectory: "/w" });
    is(await count(b.id), 2);
    await update(id, { status: "completed" });
    is(await count(b.id), 1);
    await update(id, { outputSummary: "late", worktreeId: a.id });
    equal([await count(a.id), await count(b.id)], [1, 1]);
    await update(id, { status: "active", endedAt: null });
    is(await count(a.id), 2);
    await call(workstation, "agentSessions.delete", { id });
    is(await count(a.id), 1);
    const ended = await session({ worktreeId: a.id, status: "failed" });
    await call(workstation, "agentSessions.delete", { id: ended });
    is(await count(a.id), 1);
  }));

test("an acquired worktree stays held when a session that also named it ends", () =>
  withWorktreeSite(async ({ call, database }, { workstation }, { acquire, session }) => {
    const held = await acquire("held");
    await database.query((sql) => sql`UPDATE git_worktrees SET status = 'ready'`);
    const id = await session();
    await call(workstation, "agentSessions.update", { id, set: { worktreeId: held.id } });
    await call(workstation, "agentSessions.delete", { id });
    is.not((await acquire("next")).id, held.id);
  }));

test("admins, owners and services acquire and release like the workstation, and other callers can't", () =>
  withWorktreeSite(async (world, ours, { repositoryId, count }) => {
    const { call, refusal, otherTenant } = world;
    const params = { workstationId: ours.workstationId, projectRepositoryId: repositoryId, branch: "b" };
    for (const caller of [ours.admin, ours.owner, SERVICE, ours.workstation]) {
      const { id } = await call(caller, "gitWorktrees.acquire", params);
      is((await call(caller, "gitWorktrees.release", { id })).activeTaskCount, 0);
    }
    const { id } = await call(ours.workstation, "gitWorktrees.acquire", params);
    const neighbour = await neighbourOf(world, ours);
    const refusals = [
      [ours.member, "forbidden"],
      [neighbour, "not_found"],
      [otherTenant.owner, "not_found"],
      [otherTenant.workstation, "not_found"],
    ] as const;
    for (const [caller, code] of refusals) {
      is((await refusal(caller, "gitWorktrees.acquire", params)).code, code);
      is((await refusal(caller, "gitWorktrees.release", { id })).code, code);
    }
    is(await count(id), 1);
  }));

test("a worktree in use is neither deleted nor given another branch until its sessions end", () =>
  withWorktreeSite(async ({ call, refusal }, { workstation, admin }, { acquire, release, session }) => {
    const sessionId = await session();
    const { id } = await acquire("held", sessionId);
    const byHand = await acquire("by-hand");
    for (const held of [id, byHand.id]) {
      for (const caller of [workstation, admin, SERVICE]) {
        const moved = await refusal(caller, "gitWorktrees.update", { id: held, set: { branch: "other" } });
        const removed = await refusal(caller, "gitWorktrees.delete", { id: held });
        for (const { code, details } of [moved, removed]) equal([code, details], ["conflict", { reason: "held" }]);
      }
    }
    // Its workstation may update it as long as the branch stays.
    const updated = await call(workstation, "gitWorktrees.update", { id, set: { branch: "held", status: "ready" } });
    equal([updated.branch, updated.status, updated.activeTaskCount], ["held", "ready", 1]);
    await call(workstation, "agentSessions.update", { id: sessionId, set: { status: "completed" } });
    await release(byHand.id);
    is((await call(workstation, "gitWorktrees.update", { id, set: { branch: "other" } })).branch, "other");
    for (const vacant of [id, byHand.id])
      equal(await call(workstation, "gitWorktrees.delete", { id: vacant }), { id: vacant });
  }));

test("of a concurrent delete and acquire one wins, and no deleted worktree is held", () =>
  withWorktreeSite(async ({ call, database }, { workstation }, { acquire, release }) => {
    for (let turn = 0; turn < 10; turn += 1) {
      const { id } = await acquire(`turn-${turn}`);
      await release(id);
      const [acquired] = await Promise.all([
        acquire(`turn-${turn}`),
        call(workstation, "gitWorktrees.delete", { id }).catch(({ code }) => is(code, "conflict")),
      ]);
      const [row] = await database.query(
        (sql) => sql`SELECT active_task_count AS count FROM git_worktrees WHERE id = ${acquired.id}`,
      );
      is(row?.count, 1);
    }
  }));

test("the branch that the clone itself has checked out can't have a worktree", () =>
  withWorktreeSite(async ({ call, refusal }, { workstation, workstationId }, { acquire, repositoryId }) => {
    const params = { workstationId, projectRepositoryId: repositoryId, branch: "main" };
    const { code, details } = await refusal(workstation, "gitWorktrees.acquire", params);
    equal([code, details], ["conflict", { reason: "main_clone", mainPath: "/src/app" }]);
    const report = {
      projectRepositoryId: repositoryId,
      mainPath: "/src/app",
      cloneStatus: "ready",
      mainBranch: "trunk",
    } as const;
    await call(workstation, "workstationRepositories.report", report);
    is((await acquire("main")).branch, "main");
  }));

test.run();
