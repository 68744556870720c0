import * as assert from "uvu/assert";
import { type Client, createClient, type Member, type RealtimeError } from "../../client-sdk/index.ts";
import { suite } from "../support/suite.ts";
import { until } from "../support/until.ts";
import {
  CHANNEL,
  ok,
  refused,
  type ScriptedServer,
  type ScriptedServerOptions,
  withScriptedServer,
} from "./support/scripted-server.ts";

const test = suite("presence");

async function withClient(
  options: ScriptedServerOptions,
  body: (client: Client, server: ScriptedServer) => Promise<void>,
): Promise<void> {
  await withScriptedServer(options, async (server) => {
    const client = createClient({ url: server.url, token: "t", reconnectBaseDelayMs: 60, random: () => 0.99 });
    try {
      await client.connect();
      await body(client, server);
    } finally {
      await client.close();
    }
  });
}

const failureOf = (promise: Promise<unknown>): Promise<RealtimeError> =>
  promise.then(
    () => Promise.reject(new Error("was fulfilled")),
    (error) => error,
  );
const taken = ({ count }: { count: number }) => ok({ epoch: "p", version: count });
const metas = (server: ScriptedServer) =>
  server.seen.filter(({ name }) => name.startsWith("presence.")).map(({ name, argument }) => [name, argument.meta]);
const memberOf = (key: string): Member => ({
  key,
  memberKey: { userId: key },
  meta: {},
  connections: 1,
  state: "live",
  joinedAt: 1,
  updatedAt: 1,
});

test("joins, updates and leaves", async () => {
  await withClient({ script: { "presence.join": taken, "presence.update": taken } }, async (client, server) => {
    const presence = client.presence(CHANNEL);
    assert.equal(await presence.join({ n: 1 }), { epoch: "p", version: 1 });
    await presence.update({ n: 2 });
    assert.equal(presence.meta, { n: 2 });
    await presence.leave();
    assert.is(presence.meta, null);
    assert.equal(metas(server), [
      ["presence.join", { n: 1 }],
      ["presence.update", { n: 2 }],
      ["presence.leave", undefined],
    ]);
    assert.is(client.presence(CHANNEL), presence);
  });
});

test("merges changes made during a request into the newest", async () => {
  await withClient({ script: { "presence.join": taken, "presence.update": taken } }, async (client, server) => {
    const presence = client.presence(CHANNEL);
    await Promise.all([presence.join({ n: 1 }), presence.update({ n: 2 }), presence.update({ n: 3 })]);
    assert.equal(metas(server), [
      ["presence.join", { n: 1 }],
      ["presence.update", { n: 3 }],
    ]);
  });
});

test("joins again with the newest meta after a reconnect", async () => {
  await withClient({ script: { "presence.join": taken, "presence.update": taken } }, async (client, server) => {
    const presence = client.presence(CHANNEL);
    await presence.join({ n: 1 });
    await presence.update({ n: 2 });
    server.cut();
    await until("the second join", () => server.seenOf("presence.join").length === 2);
    assert.equal(server.seenOf("presence.join")[1], {
      connection: 2,
      name: "presence.join",
      argument: { channel: CHANNEL, meta: { n: 2 } },
    });
  });
});

test("joins again if an update finds that the hub has forgotten the presence", async () => {
  const script = { "presence.join": taken, "presence.update": () => refused("not_joined", false) };
  await withClient({ script }, async (client, server) => {
    const presence = client.presence(CHANNEL);
    await presence.join({ n: 1 });
    await presence.update({ n: 2 });
    assert.equal(metas(server).at(-1), ["presence.join", { n: 2 }]);
  });
});

test("restores the accepted meta if the hub refuses a newer one", async () => {
  const script = { "presence.join": taken, "presence.update": () => refused("payload_too_large", false) };
  await withClient({ script }, async (client) => {
    const presence = client.presence(CHANNEL);
    await presence.join({ n: 1 });
    assert.is((await failureOf(presence.update({ n: 2 }))).code, "payload_too_large");
    assert.equal(presence.meta, { n: 1 });
  });
});

test("retries a temporary refusal and rejects a permanent one", async () => {
  const script = {
    "presence.join": ({ count }: { count: number }) =>
      count === 1
        ? refused("unavailable", true)
        : count === 2
          ? ok({ epoch: "p", version: 1 })
          : refused("forbidden", false),
  };
  await withClient({ script }, async (client) => {
    await client.presence(CHANNEL).join({ n: 1 });
    assert.is((await failureOf(client.presence("task:other").join({}))).code, "forbidden");
    assert.is((await failureOf(client.presence("task:other").update({}))).code, "not_joined");
  });
});

const newerTicket = () => refused("unavailable", true, { retryAfterMs: 0 });

interface Observed {
  /** The number of delays that the client has computed. */
  delays: number;
  errors: RealtimeError[];
}

/** A client that computes delays of 0 ms, counts them, and collects its errors. */
async function withObservedClient(
  join: (request: { count: number; observed: Observed }) => ReturnType<typeof ok>,
  body: (client: Client, server: ScriptedServer, observed: Observed) => Promise<void>,
): Promise<void> {
  const observed: Observed = { delays: 0, errors: [] };
  const script = { "presence.join": ({ count }: { count: number }) => join({ count, observed }) };
  await withScriptedServer({ script }, async (server) => {
    const random = () => {
      observed.delays += 1;
      return 0;
    };
    const client = createClient({ url: server.url, token: "t", random });
    client.on("error", (error) => observed.errors.push(error));
    try {
      await client.connect();
      await body(client, server, observed);
    } finally {
      await client.close();
    }
  });
}

test("sends a join again without a delay if another connection has a newer ticket", async () => {
  const join = ({ count }: { count: number }) => (count <= 5 ? newerTicket() : taken({ count }));
  await withObservedClient(join, async (client, server, observed) => {
    const states: string[] = [];
    client.on("state", ({ name }) => states.push(name));
    const presence = client.presence(CHANNEL);
    const joined = presence.join({ n: 1 });
    assert.equal(presence.meta, { n: 1 });
    assert.equal(await joined, { epoch: "p", version: 6 });
    assert.equal(metas(server), Array(6).fill(["presence.join", { n: 1 }]));
    assert.equal([observed.delays, observed.errors, states], [0, [], []]);
  });
});

test("sends a join after a reconnect again without a delay if another connection has a newer ticket", async () => {
  const delays: number[] = [];
  const join = ({ count, observed }: { count: number; observed: Observed }) => {
    delays.push(observed.delays);
    return count === 2 ? newerTicket() : taken({ count });
  };
  await withObservedClient(join, async (client, server, observed) => {
    const presence = client.presence(CHANNEL);
    await presence.join({ n: 1 });
    server.cut();
    await until("the third join", () => server.seenOf("presence.join").length === 3);
    await presence.update({ n: 2 });
    assert.equal(
      server.seenOf("presence.join").map(({ connection }) => connection),
      [1, 2, 2],
    );
    assert.is(delays[2], delays[1]);
    assert.equal(metas(server).at(-1), ["presence.update", { n: 2 }]);
    assert.equal(observed.errors, []);
  });
});

test("sends the newest meta, or the leave, after a join that lost to a newer ticket", async () => {
  const join = ({ count }: { count: number }) => (count === 2 ? taken({ count }) : newerTicket());
  await withObservedClient(join, async (client, server) => {
    const presence = client.presence(CHANNEL);
    await Promise.all([presence.join({ n: 1 }), presence.update({ n: 2 })]);
    const other = client.presence("task:other");
    const joined = failureOf(other.join({ n: 3 }));
    await other.leave();
    assert.is((await joined).code, "left");
    assert.equal(metas(server), [
      ["presence.join", { n: 1 }],
      ["presence.join", { n: 2 }],
      ["presence.join", { n: 3 }],
      ["presence.leave", undefined],
    ]);
  });
});

test("waits between joins if more than five lose to a newer ticket", async () => {
  const join = ({ count }: { count: number }) => (count <= 8 ? newerTicket() : taken({ count }));
  await withObservedClient(join, async (client, _server, observed) => {
    assert.equal(await client.presence(CHANNEL).join({ n: 1 }), { epoch: "p", version: 9 });
    assert.equal([observed.delays, observed.errors], [3, []]);
  });
});

test("waits before it sends a join again after any other temporary refusal", async () => {
  for (const refusal of [
    refused("unavailable", true),
    refused("unavailable", true, { retryAfterMs: 1 }),
    refused("rate_limited", true, { retryAfterMs: 0 }),
    refused("timeout", true),
  ]) {
    const join = ({ count }: { count: number }) => (count === 1 ? refusal : taken({ count }));
    await withObservedClient(join, async (client, _server, observed) => {
      await client.presence(CHANNEL).join({ n: 1 });
      assert.is(observed.delays, 1, JSON.stringify(refusal));
    });
  }
});

test("does not rejoin after a leave while disconnected", async () => {
  await withClient({ script: { "presence.join": taken } }, async (client, server) => {
    const presence = client.presence(CHANNEL);
    await presence.join({ n: 1 });
    server.cut();
    await until("the loss", () => client.state.name !== "connected");
    await presence.leave();
    await until("the next connection", () => client.state.name === "connected");
    await client.request("unsubscribe", { channel: CHANNEL });
    assert.is(server.seenOf("presence.join").length, 1);
  });
});

test("rejects a join on a closed client instead of waiting forever", async () => {
  await withClient({}, async (client) => {
    const presence = client.presence(CHANNEL);
    await client.close();
    assert.is((await failureOf(presence.join({}))).code, "connection_closed");
    assert.is((await failureOf(client.presence("task:other").join({}))).code, "connection_closed");
    assert.is((await failureOf(client.history(CHANNEL))).code, "connection_closed");
  });
});

test("requests a snapshot when a diff does not follow, and keeps newer diffs", async () => {
  const reply = { channel: CHANNEL, epoch: "e", offset: 0, recovered: false, publications: [] };
  const script = {
    subscribe: () => ok({ ...reply, presence: { epoch: "p", version: 1, members: [memberOf("user:a")] } }),
    "presence.list": () => ok({ epoch: "p", version: 3, members: [memberOf("user:a"), memberOf("user:b")] }),
  };
  await withClient({ script }, async (client, server) => {
    const subscription = client.subscribe(CHANNEL, { presence: true });
    await subscription.ready();
    const events: string[] = [];
    const roster = subscription.presence;
    roster?.on("join", ({ key }) => events.push(`join ${key}`));
    roster?.on("leave", ({ key }, reason) => events.push(`leave ${key} ${reason}`));
    roster?.on("sync", (members) => events.push(`sync ${members.length}`));
    server.push("presence", CHANNEL, {
      epoch: "p",
      from: 3,
      version: 4,
      joins: [],
      updates: [],
      leaves: [{ key: "user:a", reason: "left" }],
    });
    await until("the leave", () => events.length === 3);
    assert.equal(events, ["join user:b", "leave user:a left", "sync 1"]);
    assert.equal(
      roster?.members.map(({ key }) => key),
      ["user:b"],
    );
    assert.is(roster?.get("user:b")?.key, "user:b");
  });
});

test("shows the last known members while disconnected and the new ones afterwards", async () => {
  const reply = { channel: CHANNEL, epoch: "e", offset: 0, recovered: true, publications: [] };
  const script = {
    subscribe: ({ count }: { count: number }) =>
      ok({ ...reply, presence: { epoch: "p", version: count, members: [memberOf(`user:${count}`)] } }),
  };
  await withClient({ script }, async (client, server) => {
    const { presence: roster } = client.subscribe(CHANNEL, { presence: true });
    await until("the snapshot", () => roster?.synced);
    const atLoss = new Promise((resolve) =>
      client.on(
        "state",
        ({ name }) => name === "waiting" && resolve([roster?.synced, roster?.members.map(({ key }) => key)]),
      ),
    );
    server.cut();
    assert.equal(await atLoss, [false, ["user:1"]]);
    await until("the next snapshot", () => roster?.synced);
    assert.equal(
      roster?.members.map(({ key }: Member) => key),
      ["user:2"],
    );
  });
});

test("sends only the newest meta after a retry delay, without further delay", async () => {
  const script = {
    "presence.join": taken,
    "presence.update": ({ count }: { count: number }) =>
      count === 1 ? refused("rate_limited", true, { retryAfterMs: 100 }) : ok({ epoch: "p", version: count }),
  };
  await withClient({ script }, async (client, server) => {
    const presence = client.presence(CHANNEL);
    await presence.join({ n: 0 });
    const first = presence.update({ n: 1 });
    await until("the refusal", () => metas(server).length === 2);
    await client.request("unsubscribe", { channel: CHANNEL });
    const later = Array.from({ length: 50 }, (_, index) => presence.update({ n: index + 2 }));
    await Promise.all([first, ...later]);
    assert.equal(metas(server), [
      ["presence.join", { n: 0 }],
      ["presence.update", { n: 1 }],
      ["presence.update", { n: 51 }],
    ]);
  });
});

test.run();
