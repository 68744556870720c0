import { equal, is, match } from "uvu/assert";
import type { WorkstationTask } from "../../client-sdk/workstation/index.ts";
import { suite } from "../support/suite.ts";
import { until } from "../support/until.ts";
import { pendingIn, withAgents } from "./support/agents.ts";
import { gate, withScene } from "./support/scene.ts";

const test = suite("the shutdown of an agent program");
const LIMIT_MS = 40_000;

test(
  "SIGTERM aborts tasks, leaves the presence immediately, and waits until they have ended",
  () =>
    withAgents(async ({ run, assign, sessionIs, owner, hub }) => {
      const agent = run({ shutdownGraceMs: 20_000 });
      await agent.reports("online");
      const id = await assign({ title: "wind down" });
      await agent.reports("started", id);
      agent.kill("SIGTERM");
      equal((await agent.reports("aborted", id)).code, "workstation_stopped");
      const row = () => owner.rpc("workstations.get", { id: hub.workstation.id });
      await until("others see it offline", async () => (await row()).status === "offline");
      is((await owner.rpc("agentSessions.get", { id })).status, "active");
      agent.release();
      is(await agent.exited, 0, agent.output);
      await sessionIs(id, "completed");
    }),
  LIMIT_MS,
);

test(
  "a draining program lets tasks end, leaves the presence immediately, and then exits",
  () =>
    withAgents(async ({ run, assign, sessionIs, owner, hub }) => {
      const agent = run({ drainMs: 20_000 });
      await agent.reports("online");
      const id = await assign();
      await agent.reports("started", id);
      agent.kill("SIGTERM");
      const row = () => owner.rpc("workstations.get", { id: hub.workstation.id });
      await until("others see it offline", async () => (await row()).status === "offline");
      is((await owner.rpc("agentSessions.get", { id })).status, "active");
      agent.release();
      is(await agent.exited, 0, agent.output);
      await sessionIs(id, "completed");
      equal(agent.reported("aborted"), []);
      match(agent.output, /"stopped"/);
    }),
  LIMIT_MS,
);

test(
  "a second signal stops the wait; unfinished tasks fail, even if their handler hangs",
  () =>
    withAgents(async ({ run, assign, sessionIs, owner }) => {
      const agent = run({ shutdownGraceMs: 60_000, exitOnSignal: true });
      await agent.reports("online");
      const [listens, hangs] = [await assign(), await assign({ title: "never end" })];
      await agent.reports("started", listens);
      await agent.reports("started", hangs);
      agent.kill("SIGINT");
      await agent.reports("aborted", hangs);
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

test("stop() waits until the hub has the refused tasks", () =>
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
      await until("the hub has been waiting for the row", async () => {
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
  "stop() leaves resumable tasks to the next run",
  () =>
    withAgents(async ({ run, assign, sessionIs, owner }) => {
      const first = run({ shutdownGraceMs: 0, resumes: true });
      await first.reports("online");
      const id = await assign();
      await first.reports("started", id);
      first.kill("SIGTERM");
      is(await first.exited, 0, first.output);
      is((await owner.rpc("agentSessions.get", { id })).status, "active");
      const second = run({ resumes: true });
      await second.reports("resumed", id);
      await sessionIs(id, "completed");
    }),
  LIMIT_MS,
);

test(
  "stop() without a connection leaves the results in the file and does not wait",
  () =>
    withAgents(async ({ run, assign, proxy, resultsFile, sessionIs, hub }) => {
      const first = run({ drainMs: 60_000 });
      await first.reports("online");
      const id = await assign();
      await first.reports("started", id);
      await proxy.close();
      await first.reports("waiting");
      first.kill("SIGTERM");
      await first.reports("stopping");
      first.release();
      is(await first.exited, 0, first.output);
      is((await pendingIn(resultsFile)).length, 1);
      run({ url: hub.url });
      await sessionIs(id, "completed");
    }),
  LIMIT_MS,
);

test.run();
