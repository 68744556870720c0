import { equal, is, not } from "uvu/assert";
import { type Client, createClient } from "../../client-sdk/index.ts";
import type { Channel } from "../../client-sdk/protocol/index.ts";
import { meta, type TestHub, withHub } from "../support/hub.ts";
import { suite } from "../support/suite.ts";
import { until } from "../support/until.ts";
import { type CuttingProxy, startCuttingProxy } from "./support/cutting-proxy.ts";

const test = suite("client.reconnect()");
/** Far longer than the test's own limit: a test that waits for it fails. */
const NEVER_MS = 60_000;

async function withWorkstation(
  hub: TestHub,
  body: (client: Client, proxy: CuttingProxy) => Promise<void>,
): Promise<void> {
  const proxy = await startCuttingProxy(hub.url);
  const { token } = hub.workstation;
  const backoff = { reconnectBaseDelayMs: NEVER_MS, reconnectMaxDelayMs: NEVER_MS, random: () => 0.99 };
  const client = createClient({ url: proxy.url, token, ...backoff });
  try {
    await client.connect();
    await body(client, proxy);
  } finally {
    await client.close();
    await proxy.close();
  }
}

const connectionOf = ({ state }: Client): string | null =>
  state.name === "connected" ? state.welcome.connectionId : null;

test("replaces a dead connection immediately, and recovers the missed publications", () =>
  withHub({}, (hub) =>
    withWorkstation(hub, async (client, proxy) => {
      const subscription = client.subscribe(hub.workstation.channel as Channel);
      const received: unknown[] = [];
      subscription.on("publication", ({ payload }) => received.push(payload));
      await subscription.ready();
      const first = connectionOf(client);
      proxy.deafen();
      const other = await hub.connect(hub.serviceToken);
      await other.request("publish", { channel: hub.workstation.channel, type: "note", payload: "missed" });
      client.reconnect();
      is(client.state.name, "connecting");
      await until("it is recovered", () => received.length === 1);
      equal(received, ["missed"]);
      not.equal(connectionOf(client), first);
    }),
  ));

test("keeps the presence: others see no leave of the workstation", () =>
  withHub({}, (hub) =>
    withWorkstation(hub, async (client) => {
      const presence = client.presence(hub.workstation.channel as `workstation:${string}`);
      await presence.join(meta());
      const watcher = createClient({ url: hub.url, token: hub.userToken });
      try {
        await watcher.connect();
        const seen = watcher.subscribe(hub.workstation.channel as Channel, { presence: true });
        const left: unknown[] = [];
        seen.presence?.on("leave", (...leave) => left.push(leave));
        await until("the watcher sees it", () => seen.presence?.members.length === 1);
        const first = connectionOf(client);
        client.reconnect();
        await until("it has another connection", () => (connectionOf(client) ?? first) !== first);
        await presence.update(meta({ currentTaskCount: 3 }));
        await until("the newest meta is seen", () => seen.presence?.members[0]?.meta.currentTaskCount === 3);
        equal(left, []);
      } finally {
        await watcher.close();
      }
    }),
  ));

test("shortens a wait", () =>
  withHub({}, (hub) =>
    withWorkstation(hub, async (client, proxy) => {
      proxy.cut();
      await until("it waits", () => client.state.name === "waiting");
      client.reconnect();
      await until("it is connected", () => client.state.name === "connected");
    }),
  ));

test("does nothing before connect() and after close()", () =>
  withHub({}, async (hub) => {
    const client = createClient({ url: hub.url, token: hub.userToken });
    client.reconnect();
    is(client.state.name, "idle");
    await client.connect();
    await client.close();
    client.reconnect();
    is(client.state.name, "closed");
    await until("the hub has no connections", () => hub.node.hub.connectionCount === 0);
  }));

test.run();
