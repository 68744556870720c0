import * as assert from "uvu/assert";
import { type Client, createClient, type RealtimeError, type WorkstationPresenceMeta } from "../../client-sdk/index.ts";
import type { Channel } from "../../client-sdk/protocol/index.ts";
import { withHub } from "../support/hub.ts";
import { suite } from "../support/suite.ts";
import { until } from "../support/until.ts";
import { type CuttingProxy, startCuttingProxy } from "./support/cutting-proxy.ts";

const test = suite("the SDK against a real hub");

const idle: WorkstationPresenceMeta = {
  status: "online",
  availableAgents: ["claude"],
  activeProjects: [],
  currentTaskCount: 0,
};

interface Clients {
  open(token: string): Promise<Client>;
}

/** Opens connected clients of one hub and closes them all. */
async function withClients(url: string, body: (clients: Clients) => Promise<void>): Promise<void> {
  const clients: Client[] = [];
  const open = async (token: string) => {
    const client = createClient({ url, token: () => token, reconnectBaseDelayMs: 50, random: () => 0.99 });
    clients.push(client);
    await client.connect();
    return client;
  };
  try {
    await body({ open });
  } finally {
    await Promise.all(clients.map((client) => client.close()));
  }
}

/** A user behind a network that breaks on demand, and a backend on a reliable network. */
async function withProxiedReader(
  hub: { url: string; userToken: string; serviceToken: string },
  body: (scene: { reader: Client; publisher: Client; proxy: CuttingProxy }) => Promise<void>,
): Promise<void> {
  const proxy = await startCuttingProxy(hub.url);
  try {
    await withClients(proxy.url, async ({ open }) => {
      const reader = await open(hub.userToken);
      await withClients(hub.url, async (direct) =>
        body({ reader, publisher: await direct.open(hub.serviceToken), proxy }),
      );
    });
  } finally {
    await proxy.close();
  }
}

test("publishes and receives, on both sides of a task", () =>
  withHub({}, (hub) =>
    withClients(hub.url, async ({ open }) => {
      const [workstation, user] = [await open(hub.workstation.token), await open(hub.userToken)];
      const channel = hub.taskChannel as Channel;
      const subscription = user.subscribe(channel);
      const received: unknown[] = [];
      subscription.on("publication", ({ payload }) => received.push(payload));
      await subscription.ready();
      const replies = await Promise.all([1, 2, 3].map((n) => workstation.publish(channel, "note", n)));
      assert.equal(
        replies.map(({ offset }) => offset),
        [1, 2, 3],
      );
      await until("all three", () => received.length === 3);
      assert.equal(received, [1, 2, 3]);
      assert.equal(
        (await user.history(channel, { after: 1 })).publications.map(({ offset }) => offset),
        [2, 3],
      );
    }),
  ));

test("answers a repeated id with the first position", () =>
  withHub({}, (hub) =>
    withClients(hub.url, async ({ open }) => {
      const client = await open(hub.serviceToken);
      const channel = hub.taskChannel as Channel;
      const first = await client.publish(channel, "note", 1, { id: "01ARZ3NDEKTSV4RRFFQ69G5FAV" });
      const second = await client.publish(channel, "note", 1, { id: "01ARZ3NDEKTSV4RRFFQ69G5FAV" });
      assert.equal(second, { ...first, duplicate: true });
    }),
  ));

test("recovers from a position of an earlier session without gap or repeat", () =>
  withHub({}, (hub) =>
    withClients(hub.url, async ({ open }) => {
      const publisher = await open(hub.serviceToken);
      const channel = hub.taskChannel as Channel;
      const { epoch, offset } = await publisher.publish(channel, "note", 1);
      for (const n of [2, 3, 4]) await publisher.publish(channel, "note", n);
      const reader = await open(hub.userToken);
      const received: number[] = [];
      const subscription = reader.subscribe(channel, { recover: { epoch, offset } });
      subscription.on("publication", (publication) => received.push(publication.offset));
      await subscription.ready();
      await publisher.publish(channel, "note", 5);
      await until("the live one", () => received.length === 4);
      assert.equal(received, [2, 3, 4, 5]);
    }),
  ));

test("receives each publication once over a network that breaks while others publish", () =>
  withHub({}, (hub) =>
    withProxiedReader(hub, async ({ reader, publisher, proxy }) => {
      const channel = hub.taskChannel as Channel;
      const subscription = reader.subscribe(channel);
      const received: number[] = [];
      const lost: unknown[] = [];
      subscription.on("publication", ({ offset }) => received.push(offset));
      subscription.on("lost", (loss) => lost.push(loss));
      await subscription.ready();
      for (let n = 1; n <= 60; n += 1) {
        await publisher.publish(channel, "note", n);
        if (n % 20 === 0) proxy.cut();
      }
      await until("all sixty", () => received.length === 60);
      assert.equal(
        received,
        Array.from({ length: 60 }, (_, index) => index + 1),
      );
      assert.equal(lost, []);
    }),
  ));

test("delivers a publication once although the answer to its publish was lost", () =>
  withHub({}, (hub) =>
    withProxiedReader(hub, async ({ reader, publisher, proxy }) => {
      const channel = hub.taskChannel as Channel;
      const witness = publisher.subscribe(channel);
      const received: unknown[] = [];
      witness.on("publication", ({ payload }) => received.push(payload));
      await witness.ready();
      proxy.deafen();
      const reply = reader.publish(channel, "note", "once");
      await until("the publication", () => received.length === 1);
      proxy.cut();
      assert.equal(await reply.then(({ offset, duplicate }) => ({ offset, duplicate })), {
        offset: 1,
        duplicate: true,
      });
      await publisher.publish(channel, "note", "after");
      await until("the next one", () => received.length === 2);
      assert.equal(received, ["once", "after"]);
    }),
  ));

test("a return within the grace period is an update, never a leave and a join", () =>
  withHub({}, (hub) =>
    withProxiedReader(hub, async ({ reader, publisher, proxy }) => {
      const channel = hub.taskChannel as Channel;
      const events: string[] = [];
      const watcher = publisher.subscribe(channel, { presence: true });
      const roster = watcher.presence;
      roster?.on("join", () => events.push("join"));
      roster?.on("update", ({ state }) => events.push(state));
      roster?.on("leave", () => events.push("leave"));
      await watcher.ready();
      await reader.presence(channel).join({ mood: "fine" });
      await until("the join", () => events.length === 1);
      proxy.cut();
      await until("the return", () => events.at(-1) === "live");
      assert.equal(events, ["join", "suspect", "live"]);
    }),
  ));

test("stays present as suspect when it disconnects without a goodbye", () =>
  withHub({}, (hub) =>
    withClients(hub.url, async ({ open }) => {
      const channel = hub.workstation.channel as `workstation:${string}`;
      const [workstation, user] = [await open(hub.workstation.token), await open(hub.userToken)];
      await workstation.presence(channel).join(idle);
      const subscription = user.subscribe(channel, { presence: true });
      const events: string[] = [];
      subscription.presence?.on("update", ({ state }) => events.push(state));
      subscription.presence?.on("leave", (_, reason) => events.push(reason));
      await subscription.ready();
      await workstation.close({ goodbye: false });
      await until("the change", () => events.length > 0);
      assert.is(events[0], "suspect");
    }),
  ));

test("reports lost if the epoch has changed", () =>
  withHub({}, (hub) =>
    withClients(hub.url, async ({ open }) => {
      const reader = await open(hub.userToken);
      const subscription = reader.subscribe(hub.taskChannel as Channel, { recover: { epoch: "another", offset: 3 } });
      const lost: number[] = [];
      subscription.on("lost", ({ previous }) => lost.push(previous.offset));
      await subscription.ready();
      assert.equal(lost, [3]);
    }),
  ));

test("shows a workstation's presence on its own channel, from join to leave", () =>
  withHub({}, (hub) =>
    withClients(hub.url, async ({ open }) => {
      const [workstation, user] = [await open(hub.workstation.token), await open(hub.userToken)];
      const channel = hub.workstation.channel as `workstation:${string}`;
      const subscription = user.subscribe(channel, { presence: true });
      const events: string[] = [];
      const roster = subscription.presence;
      roster?.on("join", ({ meta }) => events.push(`join ${meta.status}`));
      roster?.on("update", ({ meta }) => events.push(`update ${meta.status}`));
      roster?.on("leave", (_, reason) => events.push(`leave ${reason}`));
      await subscription.ready();
      await workstation.presence(channel).join(idle);
      await until("the join", () => events.length === 1);
      await workstation.presence(channel).update({ ...idle, status: "busy" });
      await until("the update", () => events.length === 2);
      await workstation.close();
      await until("the leave", () => events.length === 3);
      assert.equal(events, ["join online", "update busy", "leave left"]);
      assert.equal(roster?.members, []);
    }),
  ));

test("stays closed after a newer connection of the same workstation replaces it", () =>
  withHub({}, (hub) =>
    withClients(hub.url, async ({ open }) => {
      const channel = hub.workstation.channel as `workstation:${string}`;
      const older = await open(hub.workstation.token);
      await older.presence(channel).join(idle);
      const newer = await open(hub.workstation.token);
      await newer.presence(channel).join(idle);
      await until("the end", () => older.state.name === "closed");
      assert.is(older.state.name === "closed" && older.state.error?.name, "ReplacedError");
      assert.is(newer.state.name, "connected");
    }),
  ));

test("a join of an older connection loses to a newer one, and owns the presence when it is sent again", () =>
  withHub({}, (hub) =>
    withClients(hub.url, async ({ open }) => {
      const channel = hub.workstation.channel as `workstation:${string}`;
      const older = await open(hub.workstation.token);
      const newer = await open(hub.workstation.token);
      await newer.presence(channel).join(idle);
      const join = () => older.request("presence.join", { channel, meta: { ...idle, status: "busy" } });
      const error: RealtimeError = await join().then(
        () => assert.unreachable(),
        (failure) => failure,
      );
      assert.equal([error.code, error.temporary, error.retryAfterMs], ["unavailable", true, 0]);
      assert.is(newer.state.name, "connected");
      await join();
      await until("the newer one's end", () => newer.state.name === "closed");
      assert.is(newer.state.name === "closed" && newer.state.error?.name, "ReplacedError");
      const { members } = await older.request("presence.list", { channel });
      assert.equal(
        members.map(({ meta, connections }) => [meta.status, connections]),
        [["busy", 1]],
      );
    }),
  ));

test("an older connection joins without an error although a newer one owns the presence", () =>
  withHub({}, (hub) =>
    withClients(hub.url, async ({ open }) => {
      const channel = hub.workstation.channel as `workstation:${string}`;
      const older = await open(hub.workstation.token);
      const newer = await open(hub.workstation.token);
      const errors: RealtimeError[] = [];
      older.on("error", (error) => errors.push(error));
      await newer.presence(channel).join(idle);
      await older.presence(channel).join(idle);
      await until("the newer one's end", () => newer.state.name === "closed");
      assert.is(newer.state.name === "closed" && newer.state.error?.name, "ReplacedError");
      assert.equal([older.state.name, errors], ["connected", []]);
    }),
  ));

test("connects and joins although the hub's presence store gave no ticket in time", () =>
  withHub({}, (hub) =>
    withClients(hub.url, async ({ open }) => {
      const { presence } = hub.node.hub.services;
      presence.admit = () => new Promise(() => undefined);
      const client = await open(hub.workstation.token);
      await client.presence(hub.workstation.channel as `workstation:${string}`).join(idle);
      assert.is(client.state.name, "connected");
    }),
  ));

test("receives goaway from a draining node, leaves at the given time, and waits for another node", () =>
  withHub({}, (hub) =>
    withClients(hub.url, async ({ open }) => {
      const client = await open(hub.workstation.token);
      const observed: string[] = [];
      client.on("goaway", () => observed.push("goaway"));
      client.on("state", ({ name }) => observed.push(name));
      const drained = hub.node.hub.drain();
      await until("the wait for another node", () => client.state.name === "waiting");
      await drained;
      assert.equal(observed.slice(0, 3), ["goaway", "connecting", "waiting"]);
    }),
  ));

test("rejects with refusals as errors with a trace id", () =>
  withHub({}, (hub) =>
    withClients(hub.url, async ({ open }) => {
      const client = await open(hub.workstation.token);
      const foreign = client.subscribe("task:task_01ARZ3NDEKTSV4RRFFQ69G5FAV");
      const error: RealtimeError = await foreign.ready().catch((failure) => failure);
      assert.is(error.code, "forbidden");
      assert.ok(error.traceId);
      const stranger = createClient({ url: hub.url, token: "wst_nobody" });
      const refusal: RealtimeError = await stranger.connect().then(
        () => assert.unreachable(),
        (failure) => failure,
      );
      assert.is(refusal.code, "unauthenticated");
      assert.is(stranger.state.name, "closed");
    }),
  ));

test.run();
