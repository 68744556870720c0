import { equal, is, ok } from "uvu/assert";
import { askRunning, HubProcess, postgresOf, withFolder } from "../support/faults.ts";
import { meta } from "../support/hub.ts";
import { RawClient } from "../support/raw-client.ts";
import { suite } from "../support/suite.ts";
import { until } from "../support/until.ts";
import { rowOf, transitionsOf } from "../support/workstation-rows.ts";

const test = suite("a hub that is killed");
const ENV = { PRESENCE_GRACE_MS: "0", RECONCILE_INTERVAL_MS: "1000", WRITE_BACK_INTERVAL_MS: "50" };
/** The time for clients to reconnect, beside the grace time. */
const RETURN_MS = 15_000;

interface Machine {
  id: string;
  token: string;
}

/** Two machines of the development organization. */
async function machinesOf(hub: HubProcess): Promise<[Machine, Machine]> {
  const { url, userToken, organizationId, workstationId, workstationToken } = await hub.development();
  const user = new RawClient(url, { token: userToken });
  await user.welcomed();
  const { workstation, registrationToken } = (await user.request("rpc", {
    method: "workstations.register",
    params: { organizationId, name: "second" },
  })) as { workstation: { id: string }; registrationToken: string };
  user.close();
  return [
    { id: workstationId, token: workstationToken },
    { id: workstation.id, token: registrationToken },
  ];
}

async function join(hub: HubProcess, { id, token }: Machine): Promise<RawClient> {
  const client = new RawClient((await hub.development()).url, { token });
  await client.welcomed();
  await client.request("presence.join", { channel: `workstation:${id}`, meta: meta() });
  return client;
}

const statusOf = (dataDir: string, { id }: Machine) =>
  askRunning(dataDir, async (database) => (await rowOf(database, id)).status);

const trailOf = (dataDir: string, { id }: Machine) =>
  askRunning(dataDir, async (database) => (await transitionsOf(database, id)).map(({ after }) => after.presence));

test(
  "its database is taken over, workstations that reconnected were never offline, and others are offline after the settle time",
  () =>
    withFolder(async (dataDir) => {
      const first = await HubProcess.start(dataDir, ENV);
      let second: HubProcess | null = null;
      try {
        const [back, gone] = await machinesOf(first);
        const clients = [await join(first, back), await join(first, gone)];
        await until("both rows are online", async () => {
          const statuses = await Promise.all([statusOf(dataDir, back), statusOf(dataDir, gone)]);
          return statuses.every((status) => status === "online");
        });
        const leftover = postgresOf(dataDir);
        first.kill("SIGKILL");
        await first.exited;
        await until("the clients are disconnected", () => clients.every((client) => client.disconnectReason !== null));
        ok(postgresOf(dataDir).length > 0, "the database outlives its hub");

        const startedAt = performance.now();
        second = await HubProcess.start(dataDir, ENV);
        ok(!postgresOf(dataDir).some((pid) => leftover.includes(pid)), "the leftover database was stopped");
        const returned = await join(second, back);
        is(
          await statusOf(dataDir, gone),
          "online",
          "no workstation is set offline before clients had time to reconnect",
        );
        await until(
          "the workstation that did not reconnect is offline",
          async () => (await statusOf(dataDir, gone)) === "offline",
          RETURN_MS + 10_000,
        );
        ok(performance.now() - startedAt > RETURN_MS, "not before the settle time");
        is(await statusOf(dataDir, back), "online");
        equal(await trailOf(dataDir, gone), ["online", "offline"]);
        ok((await trailOf(dataDir, back)).every((presence) => presence === "online"));
        is(returned.disconnectReason, null);
        returned.close();
      } finally {
        await first.stop();
        await second?.stop();
      }
    }),
  60_000,
);

test("calls in flight when their hub was killed have one effect each, repeated at the next hub", () =>
  withFolder(async (dataDir) => {
    const first = await HubProcess.start(dataDir, { ...ENV, RPCS_PER_SECOND: "500" });
    let second: HubProcess | null = null;
    try {
      const { url, userToken, projectId } = await first.development();
      const calls = Array.from({ length: 60 }, (_, number) => ({
        method: "tasks.create" as const,
        params: { projectId, title: `call ${number}` },
        idempotencyKey: `key-${number}`,
      }));
      const before = new RawClient(url, { token: userToken });
      await before.welcomed();
      const acknowledged = new Map<string, string>();
      for (const call of calls) {
        const answer = before.request("rpc", call) as Promise<{ id: string }>;
        // Calls in flight when the hub is killed are never answered.
        answer.then(
          ({ id }) => acknowledged.set(call.idempotencyKey, id),
          () => undefined,
        );
      }
      await until("some are answered", () => acknowledged.size >= 5);
      first.kill("SIGKILL");
      await first.exited;
      ok(acknowledged.size < calls.length, "not all were answered");

      second = await HubProcess.start(dataDir, { ...ENV, RPCS_PER_SECOND: "500" });
      const after = new RawClient((await second.development()).url, { token: userToken });
      await after.welcomed();
      const made = new Map<string, string>();
      for (const call of calls) {
        const { id } = (await after.request("rpc", call)) as { id: string };
        made.set(call.idempotencyKey, id);
      }
      for (const [key, id] of acknowledged) is(made.get(key), id);
      const titles = await askRunning(dataDir, (database) =>
        database.query((sql) => sql<{ title: string }[]>`SELECT title FROM tasks WHERE title LIKE 'call %'`),
      );
      equal(titles.map(({ title }) => title).sort(), calls.map(({ params }) => params.title).sort());
      await until("every change has been published", () =>
        askRunning(dataDir, async (database) => {
          const [row] = await database.query(
            (sql) => sql<{ some: boolean }[]>`SELECT EXISTS (SELECT FROM feed_queue) AS some`,
          );
          return row?.some === false;
        }),
      );
      after.close();
    } finally {
      await first.stop();
      await second?.stop();
    }
  }));

test.run();
