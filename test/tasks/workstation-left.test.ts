import { equal, is } from "uvu/assert";
import type { RpcMethod, RpcParams, RpcResult } from "../../client-sdk/protocol/index.ts";
import { meta, type TestHub, type TestWorkstation, withHub } from "../support/hub.ts";
import type { RawClient } from "../support/raw-client.ts";
import { suite } from "../support/suite.ts";
import { until } from "../support/until.ts";

const test = suite("workstations that leave");

async function rpc<Method extends RpcMethod>(client: RawClient, method: Method, params: RpcParams<Method>) {
  return (await client.request("rpc", { method, params })) as RpcResult<Method>;
}

async function join(hub: TestHub, { token, channel }: TestWorkstation): Promise<RawClient> {
  const client = await hub.connect(token);
  await client.request("presence.join", { channel, meta: meta() });
  return client;
}

async function rowOf({ database }: TestHub, id: string, status: string): Promise<void> {
  await until(`the row of ${id} is ${status}`, async () => {
    const [row] = await database.query((sql) => sql`SELECT status FROM workstations WHERE id = ${id}`);
    return row?.status === status;
  });
}

interface Scene {
  hub: TestHub;
  owner: RawClient;
  station: RawClient;
  /** Assigns the task to the workstation's agent. */
  assign(): Promise<string>;
  /** The cancellations in its channel's history. */
  cancelled(): Promise<unknown[]>;
}

/** A connected workstation with an agent, and a ready task. */
function withScene(graceMs: number, body: (scene: Scene) => Promise<void>): Promise<void> {
  return withHub({ env: { PRESENCE_GRACE_MS: String(graceMs) } }, async (hub) => {
    const { workstation, taskId } = hub;
    const owner = await hub.connect(hub.userToken);
    const station = await join(hub, workstation);
    await rpc(station, "agents.report", { agents: [{ type: "custom", name: "A" }] });
    await rpc(owner, "tasks.setReady", { id: taskId, ready: true });
    await rowOf(hub, workstation.id, "online");
    await body({
      hub,
      owner,
      station,
      assign: async () => (await rpc(owner, "tasks.assign", { id: taskId })).id,
      async cancelled() {
        const { publications } = await owner.request("history", { channel: workstation.channel });
        return publications.filter(({ type }) => type === "task:cancel").map(({ payload }) => payload);
      },
    });
  });
}

const LEAVES: Record<string, (scene: Scene) => Promise<unknown> | unknown> = {
  timeout: ({ station }) => station.cut(),
  left: ({ station, hub }) => station.request("presence.leave", { channel: hub.workstation.channel }),
  revoked: ({ owner, hub }) => rpc(owner, "workstations.suspend", { id: hub.workstation.id }),
  async node_lost({ hub, station }) {
    station.close();
    await rowOf(hub, hub.workstation.id, "offline");
    await hub.database.query((sql) => sql`UPDATE workstations SET status = 'online' WHERE id = ${hub.workstation.id}`);
  },
};

for (const [reason, leave] of Object.entries(LEAVES)) {
  test(`an assignment that was not started is returned when its workstation leaves (${reason}), and is no attempt`, () =>
    withScene(200, async (scene) => {
      const { hub, owner, assign, cancelled } = scene;
      const isNodeLost = reason === "node_lost";
      // The row of a failed node's workstation is online until the reconciler runs.
      if (isNodeLost) await leave(scene);
      const id = await assign();
      if (isNodeLost) await hub.node.reconciler.runOnce();
      else await leave(scene);
      await until("the session ended", async () => (await rpc(owner, "agentSessions.get", { id })).status === "failed");
      const task = await rpc(owner, "tasks.get", { id: hub.taskId });
      equal([task.ready, task.agentSessionStatus, task.activeAgentId], [true, "INACTIVE", null]);
      is((await rpc(owner, "agentSessions.get", { id })).errorType, "workstation_left");
      if (reason === "revoked") await rpc(owner, "workstations.resume", { id: hub.workstation.id });
      await join(hub, hub.workstation);
      await rowOf(hub, hub.workstation.id, "online");
      const again = await rpc(owner, "agentSessions.get", { id: await assign() });
      is(again.recoveryAttempts, 0);
      const message = "The workstation left before it started the task.";
      equal(await cancelled(), [{ id, taskId: hub.taskId, reason: "not_started", message }]);
    }));
}

test("a workstation that reconnects within its grace period keeps its assignments", () =>
  withScene(60_000, async ({ hub, owner, station, assign, cancelled }) => {
    const id = await assign();
    station.cut();
    await owner.request("subscribe", { channel: hub.workstation.channel, presence: true });
    const state = async () => {
      const { members } = await owner.request("presence.list", { channel: hub.workstation.channel });
      return members[0]?.state;
    };
    await until("it is suspect", async () => (await state()) === "suspect");
    await hub.writeBackSettled();
    const back = await join(hub, hub.workstation);
    await until("it has reconnected", async () => (await state()) === "live");
    await hub.writeBackSettled();
    await rpc(back, "agentSessions.start", { id });
    equal(await cancelled(), []);
  }));

test("a started session survives its workstation's leave", () =>
  withScene(200, async ({ hub, owner, station, assign, cancelled }) => {
    const id = await assign();
    await rpc(station, "agentSessions.start", { id });
    station.cut();
    await rowOf(hub, hub.workstation.id, "offline");
    is((await rpc(owner, "agentSessions.get", { id })).status, "active");
    const back = await join(hub, hub.workstation);
    await rpc(back, "agentSessions.finish", { id, outcome: "completed" });
    equal(await cancelled(), []);
  }));

test.run();
