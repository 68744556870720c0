import { equal, is, ok } from "uvu/assert";
import type { Member, WorkstationPresenceMeta } from "../../client-sdk/index.ts";
import type { Workstation } from "../../client-sdk/workstation/index.ts";
import { suite } from "../support/suite.ts";
import { until } from "../support/until.ts";
import { AGENT, gate, type Scene, withScene } from "./support/scene.ts";

const test = suite("presence of a workstation kit");

/** The workstation's presence as seen by others, with every change. */
async function watch({ owner, hub }: Scene) {
  const seen: WorkstationPresenceMeta[] = [];
  const left: unknown[] = [];
  const channel = owner.subscribe(`workstation:${hub.workstation.id}`, { presence: true });
  const note = (member: Member<WorkstationPresenceMeta>) => seen.push(member.meta);
  channel.presence?.on("join", note);
  channel.presence?.on("update", note);
  channel.presence?.on("leave", (...leave) => left.push(leave));
  await channel.ready();
  return { seen, left, member: () => channel.presence?.members[0] };
}

const connectionOf = ({ client: { state } }: Workstation) =>
  state.name === "connected" ? state.welcome.connectionId : null;

test("shows agents, projects, running tasks and the dev server", () =>
  withScene(async (scene) => {
    const { make, assign, sessionIs, hub } = scene;
    const { seen, member } = await watch(scene);
    const go = gate();
    const workstation = make({ projects: ["proj_of_its_own"], devServerPort: 3_000, onTask: () => go.opened });
    await workstation.start();
    const idle = { availableAgents: ["claude-code"], activeProjects: ["proj_of_its_own"], currentTaskCount: 0 };
    await until("it is seen", () => seen.length === 1);
    equal(seen[0], { status: "online", ...idle, devServerPort: 3_000 });
    const id = await assign();
    await until("it is busy", () => member()?.meta.status === "busy");
    equal(member()?.meta.activeProjects, ["proj_of_its_own", hub.projectId]);
    workstation.devServerPort = null;
    workstation.setProjects([]);
    go.open();
    await sessionIs(id, "completed");
    await until("it is idle", () => member()?.meta.status === "online");
    equal(member()?.meta, { status: "online", ...idle, activeProjects: [] });
  }));

test("of several changes in one turn others see the last", () =>
  withScene(async (scene) => {
    const { seen } = await watch(scene);
    const workstation = scene.make();
    await workstation.start();
    for (let port = 1; port <= 500; port += 1) workstation.devServerPort = port;
    await until("the last is seen", () => seen.at(-1)?.devServerPort === 500);
    ok(seen.length <= 3, `${seen.length} were seen`);
  }));

test("reports its agents at the start and at changes", () =>
  withScene(async ({ make, owner, hub }) => {
    const known = async () => {
      const { items } = await owner.rpc("agents.list", { organizationId: hub.organizationId });
      return items.map(({ name, status, maxConcurrencyLimit }) => [name, status, maxConcurrencyLimit]).toSorted();
    };
    const workstation = make();
    await workstation.start();
    equal(await known(), [["claude", "available", 3]]);
    await workstation.setAgents([{ type: "cursor", name: "cursor", maxConcurrencyLimit: 1 }]);
    equal(await known(), [
      ["claude", "disabled", 3],
      ["cursor", "available", 1],
    ]);
    const refusal = await workstation.setAgents([AGENT, AGENT]).catch((error) => error.code);
    is(refusal, "bad_request");
  }));

test("agents that change while it connects are reported", () =>
  withScene(async ({ make, assign, owner, hub }) => {
    const go = gate();
    const first = make({ onTask: () => go.opened, autoStartMs: 60_000 });
    const assigned = new Promise((resolve) => first.on("assigned", resolve));
    await first.start();
    await assign();
    await assigned;
    await first.client.close({ goodbye: false });
    go.open();
    const second = make();
    const reports: Promise<void>[] = [];
    second.on("assigned", () => {
      const cursor = { type: "cursor", name: "cursor" };
      reports.push(second.setAgents([AGENT]), second.setAgents([cursor, AGENT]), second.setAgents([cursor]));
    });
    await second.start();
    await Promise.all(reports);
    const { items } = await owner.rpc("agents.list", { organizationId: hub.organizationId });
    equal(items.map(({ name, status }) => `${name} ${status}`).toSorted(), ["claude disabled", "cursor available"]);
  }));

test("keeps its presence over a network failure, without a leave", () =>
  withScene(async (scene) => {
    const { make, proxy } = scene;
    const { left, member } = await watch(scene);
    const states: string[] = [];
    const workstation = make();
    workstation.on("state", ({ name }) => states.push(name));
    await workstation.start();
    const first = connectionOf(workstation);
    proxy.cut();
    await until("it is connected again", () => (connectionOf(workstation) ?? first) !== first);
    workstation.devServerPort = 4_321;
    await until("the newest is seen", () => member()?.meta.devServerPort === 4_321);
    equal(left, []);
    equal(states.filter((name) => name !== "connecting").slice(0, 3), ["online", "waiting", "online"]);
  }));

test("a newer program takes over: the older one stops its tasks, reports it, and does not reconnect", () =>
  withScene(async ({ make, assign, sessionIs, hub }) => {
    const reasons: unknown[] = [];
    const replaced: string[] = [];
    const errors: unknown[] = [];
    const resumed: string[] = [];
    const older = make({
      onTask: async (task) => {
        await task.start();
        await new Promise((resolve) => task.signal.addEventListener("abort", resolve));
        reasons.push(task.signal.reason.code);
        task.signal.throwIfAborted();
      },
    });
    older.on("replaced", ({ code }) => replaced.push(code));
    older.on("error", (error) => errors.push(error));
    await older.start();
    const id = await assign();
    await sessionIs(id, "active");
    const newer = make({ onResume: async (task) => void resumed.push(task.id) });
    await newer.start();
    await until("it is reported", () => replaced.length === 1);
    equal(replaced, ["replaced"]);
    equal(reasons, ["replaced"]);
    equal(errors, []);
    is(older.state.name, "replaced");
    await sessionIs(id, "completed");
    equal(resumed, [id]);
    equal(newer.state, { name: "online", workstationId: hub.workstation.id });
    is(older.client.state.name, "closed");
  }));

test.run();
