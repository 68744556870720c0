import { createClient } from "@monster-realtime/client";
import { createWorkstation } from "@monster-realtime/client/workstation";
import { equal, is } from "uvu/assert";
import { HubProcess, withFolder } from "../support/faults.ts";
import { suite } from "../support/suite.ts";
import { until } from "../support/until.ts";
import { AGENT, gate } from "./support/scene.ts";

const test = suite("a workstation kit whose hub is killed");
const LIMIT_MS = 90_000;
const SOON = { reconnectBaseDelayMs: 50, reconnectMaxDelayMs: 200 };

test(
  "runs a task once across a kill of the hub, and delivers its result to the next hub",
  () =>
    withFolder(async (dataDir) => {
      const first = await HubProcess.start(dataDir);
      const { url, userToken, workstationToken, organizationId, projectId } = await first.development();
      const [go, begun] = [gate(), gate()];
      const runs: string[] = [];
      const rejected: unknown[] = [];
      const owner = createClient({ url, token: userToken, ...SOON });
      const workstation = createWorkstation({
        ...{ url, token: workstationToken, agents: [AGENT], handleSignals: false, ...SOON },
        onTask: async (task) => {
          runs.push(task.task.title);
          await task.start();
          if (task.task.title !== "first") return;
          begun.open();
          await go.opened;
        },
      });
      workstation.on("rejected", (_result, error) => rejected.push(error));
      const assign = async (title: string) => {
        const { id } = await owner.rpc("tasks.create", { projectId, title, mode: "execute" });
        await owner.rpc("tasks.setReady", { id, ready: true });
        return (await owner.rpc("tasks.assign", { id })).id;
      };
      let second: HubProcess | null = null;
      try {
        await owner.connect();
        await workstation.start();
        const id = await assign("first");
        await begun.opened;
        first.kill("SIGKILL");
        await first.exited;
        await until("it is disconnected", () => workstation.state.name === "waiting");
        go.open();
        second = await HubProcess.start(dataDir, { PORT: new URL(url).port });
        const sessionIs = async (session: string) => (await owner.rpc("agentSessions.get", { id: session })).status;
        await until("the hub has the result", async () => (await sessionIs(id)) === "completed", 20_000);
        await until("it is given tasks again", async () => {
          const { items } = await owner.rpc("agents.available", { organizationId });
          return items.length === 1;
        });
        const next = await assign("second");
        await until("it continues to work", async () => (await sessionIs(next)) === "completed");
        equal(runs, ["first", "second"]);
        equal(rejected, []);
        is(workstation.state.name, "online");
      } finally {
        await workstation.stop({ graceMs: 0 });
        await owner.close();
        await second?.stop();
        await first.stop();
      }
    }),
  LIMIT_MS,
);

test.run();
