import { is } from "uvu/assert";
import type { WebSocket } from "ws";
import { meta, type TestHub, withHub } from "../support/hub.ts";
import { RawClient } from "../support/raw-client.ts";
import { suite } from "../support/suite.ts";
import { until } from "../support/until.ts";

const test = suite("a hub whose clients have all left");
const GRACE_MS = 300;
const WAYS = ["left", "cut", "unsubscribed", "polling", "frozen"] as const;
type Way = (typeof WAYS)[number];

/** One client that subscribes, joins and watches, with its workstation present. */
async function arrive(hub: TestHub, way: Way): Promise<RawClient> {
  const { token, channel } = await hub.addWorkstation();
  const transports = [way === "polling" ? "polling" : "websocket"];
  const client = new RawClient(hub.url, { token }, { transports });
  await client.welcomed();
  await client.request("subscribe", { channel, presence: true });
  await client.request("subscribe", { channel: hub.projectChannel, presence: true });
  await client.request("subscribe", { channel: hub.taskChannel, presence: true });
  await client.request("presence.join", { channel, meta: meta() });
  await client.request("presence.join", { channel: hub.taskChannel, meta: {} });
  await client.request("publish", { channel: hub.taskChannel, type: "note", payload: way });
  return client;
}

async function depart(hub: TestHub, client: RawClient, way: Way): Promise<void> {
  if (way === "cut") return client.cut();
  if (way === "frozen") return void webSocketOf(client).pause();
  if (way === "unsubscribed") await client.request("unsubscribe", { channel: hub.taskChannel });
  client.close();
}

function webSocketOf(client: RawClient): WebSocket {
  return (client.socket.io.engine as unknown as { transport: { ws: WebSocket } }).transport.ws;
}

/** The value of this metric in /metrics. */
async function metric(hub: TestHub, name: string): Promise<number> {
  const text = await (await fetch(`${hub.url}/metrics`)).text();
  return Number(new RegExp(`^${name} (.*)$`, "m").exec(text)?.[1]);
}

test("no connection, channel, subscription, roster or socket is left, regardless of how the clients left", () =>
  withHub(
    { env: { PING_INTERVAL_MS: "500", PING_TIMEOUT_MS: "500", PRESENCE_GRACE_MS: String(GRACE_MS) } },
    async (hub) => {
      const { fanOut, presence } = hub.node.hub.services;
      const socketsBefore = openSockets();
      for (let round = 0; round < 3; round += 1) {
        const clients = await Promise.all(WAYS.map((way) => arrive(hub, way)));
        is(hub.node.hub.connectionCount, WAYS.length);
        is(fanOut.channelCount, WAYS.length + 2);
        const [frozen] = clients.filter((_, index) => WAYS[index] === "frozen").map(webSocketOf);
        await Promise.all(clients.map((client, index) => depart(hub, client, WAYS[index] ?? "left")));
        await until("no connection is left", () => hub.node.hub.connectionCount === 0);
        is(fanOut.channelCount, 0);
        await until("no member is present", async () => (await presence.present()).length === 0);
        await until(
          "the task's roster is empty",
          async () => (await presence.list(hub.taskChannel)).members.length === 0,
        );
        await hub.writeBackSettled();
        // Only the frozen client's end of its connection may be left, until it is closed too.
        await until("the sockets are closed", () => openSockets() <= socketsBefore + 1);
        frozen?.terminate();
        await until("the last socket is closed", () => openSockets() <= socketsBefore);
      }
      is(await metric(hub, "hub_connections"), 0);
      is(await metric(hub, "hub_channels"), 0);
      is(await metric(hub, "hub_write_back_pending"), 0);
    },
  ));

/** Open TCP connections of this process, which has both ends. */
function openSockets(): number {
  return process.getActiveResourcesInfo().filter((kind) => kind === "TCPSocketWrap").length;
}

test.run();
