import { equal, is, match, ok } from "uvu/assert";
import { InvalidArgumentError, type RealtimeError } from "../../client-sdk/index.ts";
import type { AcquiredWorktree, Workstation, WorkstationOptions } from "../../client-sdk/workstation/index.ts";
import { suite } from "../support/suite.ts";
import { until } from "../support/until.ts";
import { gate, type Scene, withScene } from "./support/scene.ts";

const test = suite("worktrees of a workstation kit");

interface Site extends Scene {
  projectRepositoryId: string;
  /** An online workstation, with a clone in /src/app that has `main` checked out. */
  online(options: Partial<WorkstationOptions>): Promise<Workstation>;
  /** The number of holders of the worktree. */
  holders(acquired: AcquiredWorktree | undefined): Promise<number>;
}

function withSite(body: (site: Site) => Promise<void>): Promise<void> {
  return withScene(async (scene) => {
    const { owner, hub, make } = scene;
    const repository = { projectId: hub.projectId, name: "app", githubUrl: "https://github.com/acme/app" };
    const { id: projectRepositoryId } = await owner.rpc("projectRepositories.create", repository);
    const clone = { projectRepositoryId, mainPath: "/src/app", mainBranch: "main", cloneStatus: "ready" } as const;
    await body({
      ...scene,
      projectRepositoryId,
      async online(options) {
        const workstation = make(options);
        await workstation.start();
        await workstation.client.rpc("workstationRepositories.report", clone);
        return workstation;
      },
      async holders(acquired) {
        return (await owner.rpc("gitWorktrees.get", { id: acquired?.worktree?.id ?? "" })).activeTaskCount;
      },
    });
  });
}

test("a worktree is held by its task and released at its end", () =>
  withSite(async ({ online, assign, sessionIs, holders, projectRepositoryId }) => {
    const go = gate();
    const places: AcquiredWorktree[] = [];
    await online({
      onTask: async (task) => {
        places.push(await task.acquireWorktree("fix"));
        await go.opened;
      },
    });
    const id = await assign({ projectRepositoryId });
    await until("it has its worktree", () => places.length === 1);
    const [place] = places;
    equal([place?.path, place?.branch, place?.worktree?.status], ["/src/app-worktrees/fix", "fix", "creating"]);
    is(await holders(place), 1);
    go.open();
    await sessionIs(id, "completed");
    is(await holders(place), 0);
  }));

test("a branch checked out in the clone is used in the clone, and nothing is held", () =>
  withSite(async ({ online, assign, sessionIs, owner, projectRepositoryId }) => {
    const places: AcquiredWorktree[] = [];
    const workstation = await online({
      onTask: async (task) => {
        const place = await task.acquireWorktree();
        places.push(place);
        await task.start({ workingDirectory: place.path });
      },
    });
    const id = await assign({ projectRepositoryId });
    await sessionIs(id, "completed");
    equal(places, [{ branch: "main", path: "/src/app", worktree: null }]);
    is((await owner.rpc("agentSessions.get", { id })).workingDirectory, "/src/app");
    const place = await workstation.acquireWorktree({ projectRepositoryId, branch: "main" });
    equal(place, { branch: "main", path: "/src/app", worktree: null });
    await workstation.releaseWorktree(place);
  }));

test("outside of tasks a worktree is held until its release, and released once", () =>
  withSite(async ({ online, holders, projectRepositoryId }) => {
    const workstation = await online({});
    const place = await workstation.acquireWorktree({ projectRepositoryId, branch: "fix" });
    is(await holders(place), 1);
    await workstation.releaseWorktree(place);
    is(await holders(place), 0);
    const again: RealtimeError = await workstation.releaseWorktree(place).catch((error) => error);
    equal([again.code, again.details], ["conflict", { reason: "not_held" }]);
  }));

test("a worktree whose answer was lost is returned after the reconnect, and counts once", () =>
  withSite(async ({ online, assign, sessionIs, holders, owner, hub, proxy, projectRepositoryId }) => {
    const [go, ends] = [gate(), gate()];
    const places: AcquiredWorktree[] = [];
    const workstation = await online({
      onTask: async (task) => {
        await task.start();
        await go.opened;
        places.push(await task.acquireWorktree("fix"));
        await ends.opened;
      },
    });
    const begun = new Promise((resolve) => workstation.on("started", resolve));
    const id = await assign({ projectRepositoryId });
    await begun;
    proxy.deafen();
    go.open();
    await until("the hub has assigned it", async () => {
      const { items } = await owner.rpc("gitWorktrees.list", { organizationId: hub.organizationId });
      return items.length === 1;
    });
    proxy.cut();
    await until("it is returned", () => places.length === 1);
    is(await holders(places[0]), 1);
    ends.open();
    await sessionIs(id, "completed");
    is(await holders(places[0]), 0);
  }));

test("acquire rejects without a repository, without a clone, and before start()", () =>
  withScene(async ({ make, assign, sessionIs, owner }) => {
    const workstation = make({
      onTask: (task) => task.start().then(() => task.acquireWorktree("fix").then(() => ({}))),
    });
    const wanted = { projectRepositoryId: "repo_01ARZ3NDEKTSV4RRFFQ69G5FAV", branch: "fix" };
    const early = await workstation.acquireWorktree(wanted).catch((error) => error);
    ok(early instanceof InvalidArgumentError);
    await workstation.start();
    const unknown: RealtimeError = await workstation.acquireWorktree(wanted).catch((error) => error);
    is(unknown.code, "not_found");
    const id = await assign();
    await sessionIs(id, "failed");
    match((await owner.rpc("agentSessions.get", { id })).errorMessage ?? "", "This task has no repository");
  }));

test.run();
