import { equal, is, match } from "uvu/assert";
import type { WorkstationTask } from "../../client-sdk/workstation.ts";
import { suite } from "../support/suite.ts";
import { until } from "../support/until.ts";
import { pendingIn, withAgents } from "./support/agents.ts";
import { gate, withScene } from "./support/scene.ts";

const test = suite("the goodbye of an agent program");
const LIMIT_MS = 40_000;

test(
  "SIGTERM aborts tasks, leaves the presence at once, and waits until they have wound down",
  () =>
    withAgents(async ({ run, assign, sessionIs, owner, hub }) => {
      const agent = run({ shutdownGraceMs: 20_000 });
      await agent.says("online");
      const id = await assign({ title: "wind down" });
      await agent.says("started", id);
      agent.kill("SIGTERM");
      equal((await agent.says("aborted", id)).code, "workstation_stopped");
      const row = () => owner.rpc("workstations.get", { id: hub.workstation.id });
      await until("it is offline to others", async () => (await row()).status === "offline");
      is((await owner.rpc("agentSessions.get", { id })).status, "active");
      agent.tell();
      is(await agent.exited, 0, agent.output);
      await sessionIs(id, "completed");
    }),
  LIMIT_MS,
);

test(
  "a program that drains lets tasks end, leaves the presence at once, and then the process ends by itself",
  () =>
    withAgents(async ({ run, assign, sessionIs, owner, hub }) => {
      const agent = run({ drainMs: 20_000 });
      await agent.says("online");
      const id = await assign();
      await agent.says("started", id);
      agent.kill("SIGTERM");
      const row = () => owner.rpc("workstations.get", { id: hub.workstation.id });
      await until("it is offline to others", async () => (await row()).status === "offline");
      is((await owner.rpc("agentSessions.get", { id })).status, "active");
      agent.tell();
      is(await agent.exited, 0, agent.output);
      await sessionIs(id, "completed");
      equal(agent.said("aborted"), []);
      match(agent.output, /"stopped"/);
    }),
  LIMIT_MS,
);

test(
  "a second signal waits no more; what did not end is failed, even where its handler hangs",
  () =>
    withAgents(async ({ run, assign, sessionIs, owner }) => {
      const agent = run({ shutdownGraceMs: 60_000, exitOnSignal: true });
      await agent.says("online");
      const [listens, hangs] = [await assign(), await assign({ title: "never end" })];
      await agent.says("started", listens);
      await agent.says("started", hangs);
      agent.kill("SIGINT");
      await agent.says("aborted", hangs);
      await sessionIs(listens, "failed");
      is((await owner.rpc("agentSessions.get", { id: hangs })).status, "active");
      agent.kill("SIGINT");
      is(await agent.exited, 0, agent.output);
      for (const id of [listens, hangs]) {
        await sessionIs(id, "failed");
        is((await owner.rpc("agentSessions.get", { id })).errorType, "stopped");
      }
    }),
  LIMIT_MS,
);

test("a goodbye waits until the hub has what was given back", () =>
  withScene(async ({ make, assign, owner, hub }) => {
    const runs = gate();
    const onTask = ({ signal }: WorkstationTask) => {
      runs.open();
      return new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve()));
    };
    const workstation = make({ autoStartMs: 60_000, onTask });
    await workstation.start();
    const id = await assign();
    await runs.opened;
    let isStopped = false;
    const stop = () => workstation.stop({ graceMs: 0 }).finally(() => (isStopped = true));
    const stopping = await hub.database.unlimited.begin(async (sql) => {
      await sql`SELECT FROM agent_sessions WHERE id = ${id} FOR UPDATE`;
      const stopping = stop();
      await until("the hub has waited for the row for a while", async () => {
        const waiting = await sql`SELECT FROM pg_stat_activity WHERE datname = current_database()
          AND wait_event_type = 'Lock' AND clock_timestamp() - query_start > interval '300 ms'`;
        return waiting.length > 0;
      });
      is(isStopped, false);
      return [stopping];
    });
    await Promise.all(stopping);
    is((await owner.rpc("agentSessions.get", { id })).errorType, "refused");
  }));

test(
  "a goodbye leaves to the next run what that can resume",
  () =>
    withAgents(async ({ run, assign, sessionIs, owner }) => {
      const first = run({ shutdownGraceMs: 0, resumes: true });
      await first.says("online");
      const id = await assign();
      await first.says("started", id);
      first.kill("SIGTERM");
      is(await first.exited, 0, first.output);
      is((await owner.rpc("agentSessions.get", { id })).status, "active");
      const second = run({ resumes: true });
      await second.says("resumed", id);
      await sessionIs(id, "completed");
    }),
  LIMIT_MS,
);

test(
  "a goodbye to a hub that is away leaves the results on the disk and holds nobody up",
  () =>
    withAgents(async ({ run, assign, proxy, resultsFile, sessionIs, hub }) => {
      const first = run({ drainMs: 60_000 });
      await first.says("online");
      const id = await assign();
      await first.says("started", id);
      await proxy.close();
      await first.says("waiting");
      first.kill("SIGTERM");
      await first.says("stopping");
      first.tell();
      is(await first.exited, 0, first.output);
      is((await pendingIn(resultsFile)).length, 1);
      run({ url: hub.url });
      await sessionIs(id, "completed");
    }),
  LIMIT_MS,
);

test.run();
