import { equal, is, ok } from "uvu/assert";
import type {
  Assignment,
  AssignmentCancelled,
  Publication,
  RpcMethod,
  RpcParams,
  RpcResult,
} from "../../client-sdk/protocol/index.ts";
import { meta, type TestHub, type TestWorkstation, withHub } from "../support/hub.ts";
import type { RawClient } from "../support/raw-client.ts";
import { suite } from "../support/suite.ts";
import { until } from "../support/until.ts";

const test = suite("dispatch");

async function rpc<Method extends RpcMethod>(
  client: RawClient,
  method: Method,
  params: RpcParams<Method>,
): Promise<RpcResult<Method>> {
  return (await client.request("rpc", { method, params })) as RpcResult<Method>;
}

/** The payloads of this type received on a channel, in order. */
function payloadsOn<Payload>(client: RawClient, channel: string, type: string): Payload[] {
  const publications = client.received("publications", channel).flatMap(([, list]) => list as Publication[]);
  return publications.filter((publication) => publication.type === type).map(({ payload }) => payload as Payload);
}

interface Station {
  client: RawClient;
  agentId: string;
  assigned(): Assignment[];
  cancelled(): AssignmentCancelled[];
}

/** A connected workstation with one agent, subscribed to its channel. */
async function station(hub: TestHub, { token, channel }: TestWorkstation, limit = 1): Promise<Station> {
  const client = await hub.connect(token);
  const reported = { type: "custom", name: "A", maxConcurrencyLimit: limit };
  const { agents } = await rpc(client, "agents.report", { agents: [reported] });
  await client.request("subscribe", { channel });
  await client.request("presence.join", { channel, meta: meta() });
  return {
    client,
    agentId: agents[0]?.id ?? "",
    assigned: () => payloadsOn(client, channel, "task:assign"),
    cancelled: () => payloadsOn(client, channel, "task:cancel"),
  };
}

const isOnline = async ({ database }: TestHub, id: string) => {
  const [row] = await database.query((sql) => sql`SELECT status FROM workstations WHERE id = ${id}`);
  return row?.status === "online";
};

const isLost = async ({ database }: TestHub, id: string) => {
  const [row] = await database.query((sql) => sql`SELECT status FROM agent_sessions WHERE id = ${id}`);
  return row?.status === "timeout";
};

test("assignments and cancellations reach the workstation within seconds, with any size of the hub's pool", async () => {
  for (const poolSize of [1, 2, 3, 4]) {
    await withHub({ poolSize }, async (hub) => {
      const { assigned, cancelled } = await station(hub, hub.workstation);
      const owner = await hub.connect(hub.userToken);
      await rpc(owner, "tasks.update", { id: hub.taskId, set: { ready: true } });
      await until("the row says online", () => isOnline(hub, hub.workstation.id));
      const given = await rpc(owner, "tasks.assign", { id: hub.taskId });
      const assignment = await until(`task:assign with ${poolSize} connections`, () => assigned()[0], 4_000);
      is(assignment.id, given.id);
      await rpc(owner, "tasks.cancel", { id: hub.taskId, reason: "Not today" });
      await until(`task:cancel with ${poolSize} connections`, () => cancelled()[0], 4_000);
    });
  }
});

test("an assignment and its cancellation reach the workstation once, and name omitted large values", () =>
  withHub({}, async (hub) => {
    const { client, assigned, cancelled } = await station(hub, hub.workstation);
    const owner = await hub.connect(hub.userToken);
    const description = "x".repeat(10_000);
    await rpc(owner, "tasks.update", { id: hub.taskId, set: { ready: true, description } });
    await until("the row says online", () => isOnline(hub, hub.workstation.id));
    const given = await rpc(owner, "tasks.assign", { id: hub.taskId });
    is(given.task.description, description);
    const assignment = await until("task:assign", () => assigned()[0]);
    equal(assignment, { ...given, task: { ...given.task, description: null }, omitted: ["task.description"] });
    equal((await rpc(client, "workstations.assignments", {})).items, [given]);
    await rpc(owner, "tasks.cancel", { id: hub.taskId, reason: "Not today" });
    const back = await until("task:cancel", () => cancelled()[0]);
    equal(back, { id: given.id, taskId: hub.taskId, reason: "cancelled", message: "Not today" });
    await rpc(owner, "tasks.update", { id: hub.taskId, set: { title: "Later" } });
    equal([assigned().length, cancelled().length], [1, 1]);
  }));

test("subscribers of the task receive progress: the first report immediately, then the newest", () =>
  withHub({}, async (hub) => {
    const { client } = await station(hub, hub.workstation);
    const owner = await hub.connect(hub.userToken);
    await owner.request("subscribe", { channel: hub.taskChannel });
    await rpc(owner, "tasks.setReady", { id: hub.taskId, ready: true });
    await until("the row says online", () => isOnline(hub, hub.workstation.id));
    const { id } = await rpc(owner, "tasks.assign", { id: hub.taskId });
    await rpc(client, "agentSessions.start", { id });
    for (let percent = 1; percent <= 20; percent++) await rpc(client, "agentSessions.progress", { id, percent });
    const percents = () =>
      payloadsOn<{ percent: number }>(owner, hub.taskChannel, "session:progress").map(({ percent }) => percent);
    await until("the newest", () => percents().at(-1) === 20);
    is(percents()[0], 1);
    ok(percents().length < 20);
  }));

test("a dispatching hub assigns a task as soon as it is ready, an agent connects, or one becomes free", () =>
  withHub({ env: { DISPATCH: "auto" } }, async (hub) => {
    const owner = await hub.connect(hub.userToken);
    const { projectId, taskId } = hub;
    await rpc(owner, "tasks.setReady", { id: taskId, ready: true });
    const { client, assigned } = await station(hub, hub.workstation);
    await until("the task that waited for a workstation", () => assigned().length === 1);
    const second = await rpc(owner, "tasks.create", { projectId, title: "Second", ready: true });
    const urgent = await rpc(owner, "tasks.create", { projectId, title: "Urgent", ready: true, priority: 5 });
    const [first] = assigned();
    await rpc(client, "agentSessions.start", { id: first?.id ?? "" });
    await rpc(client, "agentSessions.finish", { id: first?.id ?? "", outcome: "completed" });
    await until("the urgent one, once the agent is free", () => assigned().length === 2);
    is(assigned()[1]?.task.id, urgent.id);
    await rpc(client, "agents.report", { agents: [{ type: "custom", name: "A", maxConcurrencyLimit: 2 }] });
    await until("the other, once the agent takes two", () => assigned().length === 3);
    is(assigned()[2]?.task.id, second.id);
  }));

test("a task that is not started in time goes to another agent", () =>
  withHub({ env: { DISPATCH: "auto", ASSIGNMENT_TIMEOUT_MS: "1000" } }, async (hub) => {
    const stations = [await station(hub, hub.workstation), await station(hub, await hub.addWorkstation())];
    const owner = await hub.connect(hub.userToken);
    await rpc(owner, "tasks.setReady", { id: hub.taskId, ready: true });
    await until("both received the assignment", () => stations.every(({ assigned }) => assigned().length > 0), 20_000);
    const first = stations.find(({ cancelled }) => cancelled().length > 0);
    equal(first?.cancelled()[0], { id: first?.assigned()[0]?.id, taskId: hub.taskId, reason: "not_started" });
  }));

test("a workstation that stays offline loses its sessions, and the task goes to another with its attempt count", () =>
  withHub({ env: { DISPATCH: "auto", SESSION_TIMEOUT_MS: "1000", PRESENCE_GRACE_MS: "200" } }, async (hub) => {
    const first = await station(hub, hub.workstation);
    const owner = await hub.connect(hub.userToken);
    await rpc(owner, "tasks.setReady", { id: hub.taskId, ready: true });
    const given = await until("the assignment", () => first.assigned()[0]);
    await rpc(first.client, "agentSessions.start", { id: given?.id ?? "" });
    const second = await station(hub, await hub.addWorkstation());
    // Any number of sessions that are not a task's current one do not delay the sweep.
    await hub.database.query(
      (sql) => sql`INSERT INTO agent_sessions (id, task_id, agent_id, status, started_at)
        SELECT 'session_' || lpad(n::text, 26, '0'), ${hub.taskId}, ${first.agentId}, 'active', now() - interval '1 day'
        FROM generate_series(1, 150) n`,
    );
    first.client.close();
    const again = await until("the other's", () => second.assigned()[0], 20_000);
    equal([again?.task.id, again?.recoveryAttempts], [hub.taskId, 1]);
    const session = await rpc(owner, "agentSessions.get", { id: given?.id ?? "" });
    equal([session.status, session.errorType], ["timeout", "workstation_lost"]);
  }));

test("an expired rate limit is lifted", () =>
  withHub({}, async (hub) => {
    const { client, agentId } = await station(hub, hub.workstation);
    const rateLimitResetAt = new Date(Date.now() + 500).toISOString();
    const limited = { type: "custom", name: "A", status: "rate_limited", rateLimitResetAt };
    await rpc(client, "agents.report", { agents: [limited] });
    const status = async () => {
      const [row] = await hub.database.query((sql) => sql`SELECT status FROM agents WHERE id = ${agentId}`);
      return row?.status;
    };
    is(await status(), "rate_limited");
    await until("it is available", async () => (await status()) === "available", 20_000);
  }));

test("a detached workstation loses its sessions, and a workstation whose task is deleted receives a cancellation", () =>
  withHub({}, async (hub) => {
    const { client, cancelled } = await station(hub, hub.workstation, 2);
    const owner = await hub.connect(hub.userToken);
    const { projectId, workstation, taskId } = hub;
    const other = await rpc(owner, "tasks.create", { projectId, title: "Other", ready: true });
    await rpc(owner, "tasks.setReady", { id: taskId, ready: true });
    await until("the row says online", () => isOnline(hub, workstation.id));
    const { id: deleted } = await rpc(owner, "tasks.assign", { id: other.id });
    await rpc(owner, "tasks.delete", { id: other.id });
    await until("task:cancel", () => cancelled().length === 1);
    equal(cancelled(), [{ id: deleted, taskId: other.id, reason: "deleted" }]);
    const { id } = await rpc(owner, "tasks.assign", { id: taskId });
    await rpc(client, "agentSessions.start", { id });
    await rpc(owner, "projects.detachWorkstation", { projectId, workstationId: workstation.id });
    await until("the session is lost", () => isLost(hub, id), 20_000);
    const task = await rpc(owner, "tasks.get", { id: taskId });
    equal([task.agentSessionStatus, task.ready], ["INACTIVE", true]);
  }));

test.run();
