import * as assert from "uvu/assert";
import type { HubError } from "../../hub/kernel/errors.ts";
import { addMachine, withOnSite } from "../support/on-site.ts";
import { SERVICE, withWorld } from "../support/rpc-world.ts";
import { suite } from "../support/suite.ts";

const test = suite("rpc repositories, clones and worktrees");
const paths = (error: HubError) => (error.details as { path: string }[]).map(({ path }) => path);
const URL = "https://github.com/acme/app";

test("a repository supports all its methods, and its owner and name follow its URL", () =>
  withWorld(async ({ ours, call, refusal }) => {
    const { admin, member, projectId, taskId } = ours;
    const made = await call(admin, "projectRepositories.create", { projectId, name: "App", githubUrl: `${URL}.git` });
    assert.equal([made.githubOwner, made.githubRepo], ["acme", "app"]);
    assert.equal([made.defaultBranch, made.maxConcurrentTasks, made.status], ["main", 1, "active"]);
    assert.equal(await call(member, "projectRepositories.get", { id: made.id }), made);
    const filter = { githubUrl: made.githubUrl };
    assert.equal((await call(member, "projectRepositories.list", { projectId, filter })).items, [made]);
    assert.equal((await call(member, "projectRepositories.list", { filter: { githubUrl: URL } })).items, []);
    const set = { githubUrl: "git@github.com:else/lib.git", defaultBranch: "release/2", status: "inactive" as const };
    const changed = await call(admin, "projectRepositories.update", { id: made.id, set, ifUpdatedAt: made.updatedAt });
    assert.equal(
      [changed.githubOwner, changed.githubRepo, changed.defaultBranch, changed.status],
      ["else", "lib", "release/2", "inactive"],
    );
    const late = { id: made.id, set: { name: "Late" }, ifUpdatedAt: made.updatedAt };
    assert.is((await refusal(admin, "projectRepositories.update", late)).code, "conflict");
    const named = await call(admin, "projectRepositories.update", { id: made.id, set: { name: "Lib" } });
    assert.equal([named.name, named.githubOwner], ["Lib", "else"]);
    await call(member, "tasks.update", { id: taskId, set: { projectRepositoryId: made.id } });
    assert.equal(await call(admin, "projectRepositories.delete", { id: made.id }), { id: made.id });
    assert.is((await call(member, "tasks.get", { id: taskId })).projectRepositoryId, null);
  }));

test("clones and worktrees support all their methods, maintained by their workstation", () =>
  withWorld(async ({ ours, call, refusal }) => {
    const { admin, member, workstation, workstationId, projectId } = ours;
    const create = { projectId, name: "App", githubUrl: URL };
    const { id: projectRepositoryId } = await call(admin, "projectRepositories.create", create);
    assert.is((await call(workstation, "projectRepositories.get", { id: projectRepositoryId })).name, "App");
    const params = { workstationId, projectRepositoryId, mainPath: "C:\\src\\app" };
    const clone = await call(workstation, "workstationRepositories.create", params);
    assert.equal([clone.cloneStatus, clone.mainBranch, clone.lastSyncedAt], ["cloning", "main", null]);
    const ready = { cloneStatus: "ready" as const, lastSyncedAt: "2030-01-01T00:00:00.000Z" };
    const synced = await call(workstation, "workstationRepositories.update", { id: clone.id, set: ready });
    assert.equal([synced.cloneStatus, synced.lastSyncedAt], ["ready", ready.lastSyncedAt]);
    assert.equal(await call(member, "workstationRepositories.get", { id: clone.id }), synced);
    for (const filter of [{ workstationId }, { projectRepositoryId }])
      assert.equal((await call(member, "workstationRepositories.list", { projectId, filter })).items, [synced]);

    const folder = { workstationRepositoryId: clone.id, branch: "feature/a", worktreePath: "/src/a" };
    const tree = await call(workstation, "gitWorktrees.create", folder);
    assert.equal([tree.status, tree.activeTaskCount], ["creating", 0]);
    const set = { status: "ready" as const, lastUsedAt: "2030-01-01T00:00:00.000Z" };
    const used = await call(workstation, "gitWorktrees.update", { id: tree.id, set, ifUpdatedAt: tree.updatedAt });
    assert.equal([used.status, used.lastUsedAt], ["ready", set.lastUsedAt]);
    for (const filter of [{ workstationRepositoryId: clone.id }, { status: "ready" }])
      assert.equal((await call(member, "gitWorktrees.list", { projectId, filter })).items, [used]);
    assert.equal((await call(member, "gitWorktrees.list", { filter: { status: "error" } })).items, []);

    for (const [method, again, path] of [
      ["projectRepositories.create", create, "githubUrl"],
      ["workstationRepositories.create", params, "projectRepositoryId"],
      ["gitWorktrees.create", folder, "branch"],
    ] as const) {
      const taken = await refusal(SERVICE, method, again);
      assert.equal([taken.code, paths(taken)], ["conflict", [path]]);
    }
    assert.equal(await call(workstation, "gitWorktrees.delete", { id: tree.id }), { id: tree.id });
    await call(admin, "gitWorktrees.create", folder);
    await call(workstation, "workstationRepositories.delete", { id: clone.id });
    assert.equal((await call(member, "gitWorktrees.list", {})).items, []);
  }));

test("members read repositories and clones, admins and services write them, and a workstation writes no repository", () =>
  withWorld(async (world) => {
    const { call, refusal } = world;
    const ours = await withOnSite(world.database, world.ours);
    const { member, workstation, workstationId, projectId, repositoryId, cloneId, worktreeId } = ours;
    const onSite: [string, object][] = [
      ["workstationRepositories.create", { workstationId, projectRepositoryId: repositoryId, mainPath: "/a" }],
      ["workstationRepositories.update", { id: cloneId, set: { mainPath: "/a" } }],
      ["workstationRepositories.delete", { id: cloneId }],
      ["gitWorktrees.create", { workstationRepositoryId: cloneId, branch: "b", worktreePath: "/b" }],
      ["gitWorktrees.update", { id: worktreeId, set: { status: "busy" } }],
      ["gitWorktrees.delete", { id: worktreeId }],
    ];
    const repositories: [string, object][] = [
      ["projectRepositories.create", { projectId, name: "R", githubUrl: `${URL}s` }],
      ["projectRepositories.update", { id: repositoryId, set: { name: "R" } }],
      ["projectRepositories.delete", { id: repositoryId }],
    ];
    for (const [method, params] of [...onSite, ...repositories])
      assert.is((await refusal(member, method, params)).code, "forbidden", method);
    for (const [method, params] of repositories)
      assert.is((await refusal(workstation, method, params)).code, "forbidden", method);
    for (const caller of [member, workstation, ours.admin, ours.owner, SERVICE]) {
      assert.is((await call(caller, "projectRepositories.get", { id: repositoryId })).githubUrl, URL);
      assert.is((await call(caller, "workstationRepositories.get", { id: cloneId })).mainPath, "/src/app");
      assert.is((await call(caller, "gitWorktrees.get", { id: worktreeId })).branch, "feature");
    }
    for (const caller of [ours.admin, ours.owner, SERVICE, workstation]) {
      const set = { status: "busy" as const };
      assert.is((await call(caller, "gitWorktrees.update", { id: worktreeId, set })).status, "busy");
      const path = { mainPath: `/by/${caller.kind}` };
      const changed = await call(caller, "workstationRepositories.update", { id: cloneId, set: path });
      assert.is(changed.mainPath, path.mainPath);
    }
  }));

test("a workstation writes only its own clones and worktrees, of projects it is attached to", () =>
  withWorld(async (world) => {
    const { database, call, refusal } = world;
    const ours = await withOnSite(database, world.ours);
    const { admin, workstation, workstationId, projectId, repositoryId, cloneId, worktreeId } = ours;
    const other = await addMachine(database, ours);
    const clone = { projectRepositoryId: repositoryId, mainPath: "/x" };
    const calls: [string, object][] = [
      ["projectRepositories.get", { id: repositoryId }],
      ["workstationRepositories.get", { id: cloneId }],
      ["workstationRepositories.update", { id: cloneId, set: { cloneError: "x" } }],
      ["workstationRepositories.delete", { id: cloneId }],
      ["workstationRepositories.create", { ...clone, workstationId }],
      ["workstationRepositories.create", { ...clone, workstationId: other.id }],
      ["gitWorktrees.get", { id: worktreeId }],
      ["gitWorktrees.update", { id: worktreeId, set: { errorMessage: "x" } }],
      ["gitWorktrees.delete", { id: worktreeId }],
      ["gitWorktrees.create", { workstationRepositoryId: cloneId, branch: "b", worktreePath: "/b" }],
    ];
    for (const [method, params] of calls) assert.is((await refusal(other, method, params)).code, "not_found", method);
    const unattached = await refusal(admin, "workstationRepositories.create", { ...clone, workstationId: other.id });
    assert.equal([unattached.code, /Attach it first/.test(unattached.message)], ["conflict", true]);
    await call(admin, "projects.attachWorkstation", { projectId, workstationId: other.id });
    assert.is((await refusal(other, "gitWorktrees.get", { id: worktreeId })).code, "not_found");
    await call(other, "workstationRepositories.create", { ...clone, workstationId: other.id });
    assert.is((await call(other, "workstationRepositories.list", {})).items.length, 1);
    assert.is((await call(admin, "workstationRepositories.list", {})).items.length, 2);

    await call(admin, "projects.detachWorkstation", { projectId, workstationId });
    for (const [method, params] of calls)
      assert.is((await refusal(workstation, method, params)).code, "not_found", `${method}, detached`);
    for (const list of ["projectRepositories.list", "workstationRepositories.list", "gitWorktrees.list"] as const)
      assert.equal((await call(workstation, list, {})).items, []);
    assert.is((await call(admin, "gitWorktrees.get", { id: worktreeId })).branch, "feature");
  }));

test("a workstation can't have a clone of another tenant's repository", () =>
  withWorld(async ({ database, ours, otherTenant, refusal }) => {
    const foreign = await withOnSite(database, otherTenant);
    const { workstationId } = ours;
    const clone = { workstationId, projectRepositoryId: foreign.repositoryId, mainPath: "/x" };
    assert.is((await refusal(SERVICE, "workstationRepositories.create", clone)).code, "not_found");
  }));

test("an archived project keeps its repositories, clones and worktrees unchanged", () =>
  withWorld(async (world) => {
    const { call, refusal } = world;
    const ours = await withOnSite(world.database, world.ours);
    const { admin, workstation, projectId, repositoryId, cloneId, worktreeId } = ours;
    await call(admin, "projects.archive", { id: projectId });
    const calls: [string, object][] = [
      ["projectRepositories.create", { projectId, name: "R", githubUrl: `${URL}s` }],
      ["projectRepositories.update", { id: repositoryId, set: { name: "R" } }],
      ["workstationRepositories.update", { id: cloneId, set: { mainPath: "/x" } }],
      ["gitWorktrees.create", { workstationRepositoryId: cloneId, branch: "b", worktreePath: "/b" }],
      ["gitWorktrees.update", { id: worktreeId, set: { status: "busy" } }],
      ["gitWorktrees.delete", { id: worktreeId }],
    ];
    for (const [method, params] of calls) assert.is((await refusal(admin, method, params)).code, "conflict", method);
    await call(admin, "projects.restore", { id: projectId });
    assert.equal(await call(admin, "projectRepositories.delete", { id: repositoryId }), { id: repositoryId });
    for (const [method, id] of [
      ["workstationRepositories.get", cloneId],
      ["gitWorktrees.get", worktreeId],
    ] as const)
      assert.is((await refusal(workstation, method, { id })).code, "not_found", method);
  }));

test("a URL with a password or token is rejected without an echo", () =>
  withWorld(async ({ ours, refusal }) => {
    for (const githubUrl of [
      "https://ghp_token@github.com/acme/app",
      "https://me:ghp_token@github.com/acme/app",
      "ssh://git:ghp_token@github.com/acme/app",
      "https://github.com/acme/app?token=ghp_token",
    ]) {
      const params = { projectId: ours.projectId, name: "R", githubUrl };
      const { code, message, details } = await refusal(ours.admin, "projectRepositories.create", params);
      assert.is(code, "bad_request");
      assert.not.match(JSON.stringify([message, details]), /ghp_token/);
    }
  }));

test("errors in the params name the path", () =>
  withWorld(async (world) => {
    const { refusal } = world;
    const ours = await withOnSite(world.database, world.ours);
    const { admin, workstationId, projectId, repositoryId, cloneId, worktreeId } = ours;
    const repository = { projectId, name: "R", githubUrl: `${URL}s` };
    const addresses = [
      "github.com/a/b",
      "https://github.com/a",
      "https://github.com/a/b/c",
      "file:///a/b",
      "git@x:../..",
    ];
    const branches = ["", "-b", "a b", "a..b", "a.lock", "/a", "a/", "a~1", "@", "x".repeat(101)];
    const tree = (branch: string) => ({ workstationRepositoryId: cloneId, branch, worktreePath: "/b" });
    const faults: [string, object, string][] = [
      ...addresses.map((githubUrl): [string, object, string] => [
        "projectRepositories.create",
        { ...repository, githubUrl },
        "githubUrl",
      ]),
      ...branches.map((branch): [string, object, string] => ["gitWorktrees.create", tree(branch), "branch"]),
      ["projectRepositories.create", { ...repository, githubOwner: "a" }, "githubOwner"],
      ["projectRepositories.create", { ...repository, maxConcurrentTasks: 1.5 }, "maxConcurrentTasks"],
      ["projectRepositories.update", { id: repositoryId, set: { defaultBranch: "-f" } }, "set.defaultBranch"],
      ["projectRepositories.update", { id: repositoryId, set: { projectId } }, "set.projectId"],
      ["projectRepositories.list", { filter: { name: "R" } }, "filter.name"],
      ["workstationRepositories.create", { workstationId, projectRepositoryId: repositoryId }, "mainPath"],
      ["workstationRepositories.update", { id: cloneId, set: { mainPath: " " } }, "set.mainPath"],
      ["workstationRepositories.update", { id: cloneId, set: { cloneStatus: "gone" } }, "set.cloneStatus"],
      ["workstationRepositories.update", { id: cloneId, set: { workstationId } }, "set.workstationId"],
      ["workstationRepositories.update", { id: cloneId, set: { lastSyncedAt: "now" } }, "set.lastSyncedAt"],
      ["gitWorktrees.create", { ...tree("b"), activeTaskCount: 1 }, "activeTaskCount"],
      ["gitWorktrees.update", { id: worktreeId, set: { activeTaskCount: 1 } }, "set.activeTaskCount"],
      ["gitWorktrees.update", { id: worktreeId, set: { status: null } }, "set.status"],
    ];
    for (const [method, params, path] of faults) {
      const error = await refusal(admin, method, params);
      assert.equal([error.code, paths(error)[0]], ["bad_request", path], JSON.stringify(params));
    }
  }));

test.run();
