import { type Client, createClient, workstationChannel } from "@monster-realtime/client";
import type { ErrorObject } from "@monster-realtime/client/protocol";
import { equal, is, match, ok } from "uvu/assert";
import { askRunning, HubProcess, postgresOf, withFolder } from "../support/faults.ts";
import { meta } from "../support/hub.ts";
import { RawClient } from "../support/raw-client.ts";
import { withRedis } from "../support/redis.ts";
import { suite } from "../support/suite.ts";
import { until } from "../support/until.ts";
import { rowOf, transitionsOf } from "../support/workstation-rows.ts";

const suited = suite("hubs as several processes", "redis-server");
const LIMIT_MS = 90_000;
// Raises the limits of clients, which connect as fast as they are admitted.
const ENV = { CONNECTIONS_PER_PRINCIPAL: "10000", WEB_CONCURRENCY: "2", DRAIN_MS: "8000" };

function test(behaviour: string, body: () => Promise<void>): void {
  suited(behaviour, body, LIMIT_MS);
}

type Body = (hub: HubProcess, url: string, start: () => Promise<HubProcess>) => Promise<void>;

/** Runs `body` with two serving processes; `start` starts others on the same data. */
function withHubs(body: Body): Promise<void> {
  return withRedis((redis) =>
    withFolder(async (dataDir) => {
      const start = () => HubProcess.start(dataDir, { ...ENV, REDIS_URL: redis.url });
      const hub = await start();
      try {
        const { url } = await hub.development();
        await until("both serve", async () => (await metricsOf(url)).includes("hub_processes_serving 2"), 30_000);
        await body(hub, url, start);
      } finally {
        await hub.stop();
      }
    }),
  );
}

const metricsOf = async (url: string) => (await fetch(`${url}/metrics`)).text();

/** A client at each process; the system chooses the process of a connection. */
async function clientsOfBoth(url: string, token: string): Promise<Map<string, RawClient>> {
  const clients = new Map<string, RawClient>();
  await until("both have a client", async () => {
    const client = new RawClient(url, { token });
    const { nodeId } = await client.welcomed();
    if (clients.has(nodeId)) client.close();
    else clients.set(nodeId, client);
    return clients.size === 2;
  });
  return clients;
}

test("both accept connections and share the embedded database, which the supervisor runs", () =>
  withHubs(async (hub, url) => {
    const { userToken, organizationId } = await hub.development();
    const clients = [...(await clientsOfBoth(url, userToken)).values()];
    const params = { organizationId, name: "Second", slug: "second" };
    await clients[0]?.request("rpc", { method: "projects.create", params });
    const listed = await clients[1]?.request("rpc", { method: "projects.list", params: { organizationId } });
    const { items } = listed as { items: { id: string; slug: string }[] };
    equal(new Set(items.map(({ slug }) => slug)), new Set(["first", "second"]));

    const metrics = await metricsOf(url);
    match(metrics, 'hub_connections{process="1"} 1');
    match(metrics, 'hub_connections{process="2"} 1');
    match(metrics, /^hub_requests_total\{.*process="[12]".*\} 1$/m);

    hub.kill("SIGTERM");
    for (const client of clients) await client.push("goaway");
    is(await hub.exited, 0, hub.output);
    equal(postgresOf(hub.dataDir), [], "no database is left running");
  }));

test("long-polling is rejected, because its requests would reach different processes", () =>
  withHubs(async (hub, url) => {
    const { userToken } = await hub.development();
    const client = new RawClient(url, { token: userToken }, { transports: ["polling"] });
    const refused = await new Promise<Error>((resolve) => client.socket.once("connect_error", resolve));
    match(refused.message, "xhr poll error");
    const response = await fetch(`${url}/socket.io/?EIO=4&transport=polling`);
    is(response.status, 400);
    match(await response.text(), "Transport unknown");
  }));

test("SIGHUP drains one process after the other, and new clients are admitted at any time", () =>
  withHubs(async (hub, url) => {
    const { userToken } = await hub.development();
    const clients = await clientsOfBoth(url, userToken);
    hub.kill("SIGHUP");
    // A client that arrives at a draining process is rejected with a delay; the port is never closed.
    const answers = new Set<string>();
    while ([...clients.values()].some((client) => client.received("goaway").length === 0)) {
      const visitor = new RawClient(url, { token: userToken });
      const admitted = visitor.welcomed().then(() => "welcome");
      answers.add(await admitted.catch(({ code, message }: ErrorObject) => code ?? message));
      visitor.close();
      answers.add(String((await fetch(`${url}/readyz`)).status));
    }
    answers.delete("draining");
    equal([...answers].sort(), ["200", "welcome"]);
    await until("both have disconnected", () =>
      [...clients.values()].every((client) => client.disconnectReason !== null),
    );
    const fresh = await clientsOfBoth(url, userToken);
    for (const nodeId of fresh.keys()) ok(!clients.has(nodeId), "another process");
    for (const client of fresh.values()) client.close();
  }));

test("after the supervisor was killed its processes drain, and the next supervisor starts on the same data", () =>
  withHubs(async (killed, url, start) => {
    const client = new RawClient(url, { token: (await killed.development()).userToken });
    await client.welcomed();
    killed.kill("SIGKILL");
    await client.push("goaway");
    await until("it is asked to reconnect", () => client.disconnectReason !== null, 10_000);
    const next = await start();
    is((await fetch(`${(await next.development()).url}/readyz`)).status, 200);
    await next.stop();
  }));

test("over a rolling restart a page misses nothing, and a workstation stays present, on the roster and in its row", () =>
  withHubs(async (hub, url) => {
    const { userToken, workstationToken, serviceToken, workstationId } = await hub.development();
    const channel = workstationChannel(workstationId);
    const page = createClient({ url, token: userToken });
    const machine = createClient({ url, token: workstationToken });
    const backend = createClient({ url, token: serviceToken });
    const clients = [page, machine, backend];
    try {
      await Promise.all(clients.map((client) => client.connect()));
      await machine.presence(channel).join({ ...meta(), status: "online" });
      const seen: unknown[] = [];
      const left: unknown[] = [];
      const subscription = page.subscribe(channel, { presence: true });
      subscription.on("publication", ({ payload }) => seen.push(payload));
      subscription.on("lost", (lost) => left.push(lost));
      await until("it is on the roster", () => subscription.presence?.members.length === 1);
      subscription.presence?.on("leave", (member) => left.push(member));

      const goaways = new Set<Client>();
      for (const client of clients) client.on("goaway", () => goaways.add(client));
      hub.kill("SIGHUP");
      let sent = 0;
      while (goaways.size < clients.length) await backend.publish(channel, "note", ++sent);
      await backend.publish(channel, "note", ++sent);
      await until("all have arrived", () => seen.length >= sent, 15_000);
      equal(
        seen,
        Array.from({ length: sent }, (_, index) => index + 1),
      );
      equal(left, []);
      await askRunning(hub.dataDir, async (database) => {
        is((await rowOf(database, workstationId)).status, "online");
        const trail = (await transitionsOf(database, workstationId)).map(({ after }) => after.presence);
        ok(!trail.includes("offline"), trail.join());
      });
    } finally {
      await Promise.all(clients.map((client) => client.close()));
    }
  }));

test("an error common to all processes is reported once, and no database is left running", () =>
  withFolder(async (dataDir) => {
    const hub = HubProcess.spawn(dataDir, { ...ENV, REDIS_URL: "redis://127.0.0.1:1" });
    try {
      is(await hub.exited, 1, hub.output);
      is(hub.output.split("REDIS_URL: ").length, 2, hub.output);
      equal(postgresOf(dataDir), []);
    } finally {
      await hub.stop();
    }
  }));

suited.run();
