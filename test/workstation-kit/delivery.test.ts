import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { equal, is, match, ok } from "uvu/assert";
import { createClient, InvalidArgumentError, type RealtimeError } from "../../client-sdk/index.ts";
import { createWorkstation } from "../../client-sdk/workstation/index.ts";
import { errorObject, withScriptedServer } from "../client-sdk/support/scripted-server.ts";
import { withFolder } from "../support/faults.ts";
import { withHub } from "../support/hub.ts";
import { suite } from "../support/suite.ts";
import { until } from "../support/until.ts";
import { AGENT, gate, withScene } from "./support/scene.ts";

/** Reconnects only when the test calls reconnect(). */
const STAYS_AWAY = { reconnectBaseDelayMs: 60_000, reconnectMaxDelayMs: 60_000, random: () => 0.99 };

const test = suite("delivery to and from a workstation kit");

test("a task assigned while the machine was disconnected, beyond the history, runs once", () =>
  withScene(
    async ({ make, assign, sessionIs, owner, proxy, hub }) => {
      const runs: string[] = [];
      const workstation = make({ ...STAYS_AWAY, onTask: ({ id }) => void runs.push(id) });
      await workstation.start();
      let lost = 0;
      workstation.client.subscribe(`workstation:${hub.workstation.id}`).on("lost", () => (lost += 1));
      proxy.cut();
      await until("it is disconnected", () => workstation.state.name === "waiting");
      const id = await assign();
      // More publications than the history of two, so that the assignment is no longer in it.
      for (const n of [1, 2, 3]) await owner.publish(`workstation:${hub.workstation.id}`, "note", n);
      workstation.client.reconnect();
      await sessionIs(id, "completed");
      equal(runs, [id]);
      is(lost, 1);
    },
    { env: { HISTORY_SIZE: "2" } },
  ));

test("an assignment that is received again, during and after its run, runs once", () =>
  withScene(async ({ make, assign, sessionIs, hub }) => {
    const go = gate();
    const runs: string[] = [];
    const workstation = make({
      onTask: async (task) => {
        runs.push(task.id);
        await go.opened;
      },
    });
    await workstation.start();
    const service = createClient({ url: hub.url, token: hub.serviceToken });
    try {
      await service.connect();
      const id = await assign();
      const { items } = await service.rpc("workstations.assignments", { id: hub.workstation.id });
      const sendAgain = () => service.publish(`workstation:${hub.workstation.id}`, "task:assign", items[0]);
      await until("it runs", () => runs.length === 1);
      await sendAgain();
      go.open();
      await sessionIs(id, "completed");
      await sendAgain();
      await sessionIs(await assign(), "completed");
      is(runs.length, 2);
      is(new Set(runs).size, 2);
    } finally {
      await service.close();
    }
  }));

test("a failing disk is reported, and the results are still delivered", () =>
  withFolder((folder) =>
    withScene(async ({ make, assign, sessionIs }) => {
      const kept = join(folder, "kept");
      mkdirSync(kept);
      const codes: string[] = [];
      const workstation = make({ resultsFile: join(kept, "results") });
      workstation.on("error", ({ code }) => codes.push(code));
      await workstation.start();
      rmSync(kept, { recursive: true });
      await sessionIs(await assign(), "completed");
      await until("it is reported", () => codes.length > 0);
      is(codes[0], "results_file");
    }),
  ));

test("a result that could not be delivered is delivered after the reconnect", () =>
  withScene(async ({ make, assign, sessionIs, proxy }) => {
    const go = gate();
    const workstation = make({ onTask: (task) => task.start().then(() => go.opened) });
    const begun = new Promise((resolve) => workstation.on("started", resolve));
    const finished = new Promise((resolve) => workstation.on("finished", resolve));
    await workstation.start();
    const id = await assign();
    await begun;
    proxy.deafen();
    go.open();
    await sessionIs(id, "completed");
    proxy.cut();
    await finished;
  }));

test("a result for a reassigned task is rejected once, and not retried", () =>
  withScene(async ({ make, assign, owner, proxy, hub }) => {
    const go = gate();
    const rejected: string[] = [];
    const workstation = make({ onTask: (task) => task.start().then(() => go.opened), ...STAYS_AWAY });
    workstation.on("rejected", ({ finish }, { code }) => rejected.push(`${finish.id} ${code}`));
    const begun = new Promise((resolve) => workstation.on("started", resolve));
    await workstation.start();
    const id = await assign();
    await begun;
    const { taskId } = await owner.rpc("agentSessions.get", { id });
    proxy.cut();
    await until("it is disconnected", () => workstation.state.name === "waiting");
    await owner.rpc("tasks.cancel", { id: taskId });
    go.open();
    await until(
      "it is completed",
      () => workstation.client.presence(`workstation:${hub.workstation.id}`).meta?.status === "online",
    );
    workstation.client.reconnect();
    await until("it is rejected", () => rejected.length > 0);
    await workstation.stop();
    equal(rejected, [`${id} conflict`]);
  }));

test("an agent that is still winding down gets no more than its limit: new tasks wait", () =>
  withScene(async ({ make, assign, sessionIs, owner }) => {
    const go = gate();
    const runs: string[] = [];
    const workstation = make({
      agents: [{ ...AGENT, maxConcurrencyLimit: 1 }],
      onTask: async (task) => {
        runs.push(task.task.title);
        await task.start();
        if (task.task.title === "first") await go.opened;
      },
    });
    const begun = new Promise((resolve) => workstation.on("started", resolve));
    await workstation.start();
    const first = await assign({ title: "first" });
    await begun;
    await owner.rpc("tasks.cancel", { id: (await owner.rpc("agentSessions.get", { id: first })).taskId });
    const assigned = new Promise((resolve) => workstation.on("assigned", resolve));
    const second = await assign({ title: "second" });
    await assigned;
    equal(runs, ["first"]);
    go.open();
    await sessionIs(second, "completed");
    equal(runs, ["first", "second"]);
  }));

test("start() rejects an unknown token, and one that is not a workstation's", () =>
  withHub({}, async (hub) => {
    const workstationOf = (token: string) =>
      createWorkstation({ url: hub.url, token, agents: [], onTask: () => undefined, handleSignals: false });
    const unknown = workstationOf(`wst_${"x".repeat(43)}`);
    const error: RealtimeError = await unknown.start().catch((thrown) => thrown);
    is(error.code, "unauthenticated");
    equal(unknown.state, { name: "stopped", error });
    const users = workstationOf(hub.userToken);
    const other = await users.start().catch((thrown) => thrown);
    ok(other instanceof InvalidArgumentError);
    match(other.message, /The token belongs to a user\. Use the registration token of a workstation/);
    await until("the hub has no connections", () => hub.node.hub.connectionCount === 0);
  }));

test("start() rejects a hub of another protocol, and disconnects", () =>
  withScriptedServer({ refuse: () => errorObject("unsupported_protocol", false) }, async ({ url, handshakes }) => {
    const options = { url, token: "wst_x", agents: [], onTask: () => undefined, handleSignals: false };
    const workstation = createWorkstation({ ...options, reconnectBaseDelayMs: 1 });
    const error: RealtimeError = await workstation.start().catch((thrown) => thrown);
    is(error.code, "unsupported_protocol");
    equal(workstation.state, { name: "stopped", error });
    is(handshakes.length, 1);
  }));

test("without an answer it keeps trying, and shows why", () =>
  withScene(async ({ make, proxy }) => {
    await proxy.close();
    const workstation = make();
    const started = workstation.start();
    await until("it waits", () => workstation.state.name === "waiting");
    const { state } = workstation;
    is(state.name === "waiting" && state.error.code, "unreachable");
    await workstation.stop();
    await started;
    equal(workstation.state, { name: "stopped", error: null });
  }));

test("a workstation that is suspended while it runs stops with the reason", () =>
  withScene(async ({ make, owner, hub }) => {
    const workstation = make();
    await workstation.start();
    await owner.rpc("workstations.suspend", { id: hub.workstation.id });
    await until("it has stopped", () => workstation.state.name === "stopped");
    const { state } = workstation;
    is(state.name === "stopped" && state.error?.code, "suspended");
  }));

test.run();
