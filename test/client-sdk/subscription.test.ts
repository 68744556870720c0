import * as assert from "uvu/assert";
import { type Client, type ClientOptions, createClient, type Subscription } from "../../client-sdk/index.ts";
import { suite } from "../support/suite.ts";
import { until } from "../support/until.ts";
import {
  CHANNEL,
  errorObject,
  ok,
  publication,
  refused,
  type ScriptedServer,
  type ScriptedServerOptions,
  subscribed,
  withScriptedServer,
} from "./support/scripted-server.ts";

const test = suite("subscription");

interface Scene {
  server: ScriptedServer;
  client: Client;
  subscription: Subscription<typeof CHANNEL>;
  offsets: number[];
  events: string[];
}

/** A connected client that follows the channel and records its events. */
async function withSubscription(
  options: ScriptedServerOptions,
  body: (scene: Scene) => Promise<void>,
  clientOptions: Partial<ClientOptions> = {},
): Promise<void> {
  await withScriptedServer(options, async (server) => {
    const client = createClient({ url: server.url, token: "t", reconnectBaseDelayMs: 10, ...clientOptions });
    const subscription = client.subscribe(CHANNEL);
    const offsets: number[] = [];
    const events: string[] = [];
    subscription.on("publication", ({ offset }) => offsets.push(offset));
    subscription.on("recovered", ({ publications }) => events.push(`recovered ${publications}`));
    subscription.on("lost", ({ previous, position }) => events.push(`lost ${previous.offset}→${position.offset}`));
    subscription.on("error", ({ code }) => events.push(`error ${code}`));
    try {
      await client.connect();
      await body({ server, client, subscription, offsets, events });
    } finally {
      await client.close();
    }
  });
}

test("delivers pushed publications in order, and moves its position", async () => {
  await withSubscription({ script: { subscribe: () => subscribed(4) } }, async ({ server, subscription, offsets }) => {
    assert.equal(await subscription.ready(), { epoch: "e1", offset: 4 });
    server.push("publications", CHANNEL, [publication(5), publication(6)]);
    server.push("publications", CHANNEL, [publication(7)]);
    await until("three publications", () => offsets.length === 3);
    assert.equal(offsets, [5, 6, 7]);
    assert.equal(subscription.position, { epoch: "e1", offset: 7 });
  });
});

test("drops repeats, and delivers early publications only if the answer does not include them", async () => {
  const script = {
    subscribe: ({ socket }: { socket: { emit(name: string, ...args: unknown[]): unknown } }) => {
      socket.emit("publications", CHANNEL, [publication(4), publication(5), publication(6)]);
      return subscribed(5);
    },
  };
  await withSubscription({ script }, async ({ server, offsets }) => {
    await until("the early publication", () => offsets.length === 1);
    server.push("publications", CHANNEL, [publication(6), publication(7)]);
    await until("the next one", () => offsets.length === 2);
    assert.equal(offsets, [6, 7]);
  });
});

test("recovers from its last position after the connection was cut", async () => {
  const script = {
    subscribe: ({ argument }: { argument: Record<string, unknown> }) =>
      argument.recover ? subscribed(7, [6, 7], true) : subscribed(4),
  };
  await withSubscription({ script }, async ({ server, subscription, offsets, events }) => {
    await subscription.ready();
    server.push("publications", CHANNEL, [publication(5)]);
    await until("the first publication", () => offsets.length === 1);
    server.cut();
    await until("the recovery", () => events.length === 1);
    assert.equal(offsets, [5, 6, 7]);
    assert.equal(events, ["recovered 2"]);
    assert.equal(server.seenOf("subscribe")[1]?.argument.recover, { epoch: "e1", offset: 5 });
  });
});

test("recovers over a new connection after an unreadable push", async () => {
  const script = {
    subscribe: ({ count }: { count: number }) => (count === 1 ? subscribed(4) : subscribed(5, [5], true)),
  };
  await withSubscription({ script }, async ({ server, subscription, offsets, events }) => {
    await subscription.ready();
    server.push("publications", CHANNEL, null as never);
    await until("the recovery", () => events.length === 1);
    assert.equal(offsets, [5]);
    assert.is(server.handshakes.length, 2);
  });
});

test("emits lost if the hub can't recover, and continues from the new position", async () => {
  const script = {
    subscribe: ({ count }: { count: number }) => (count === 1 ? subscribed(4) : subscribed(2, [], false, "e2")),
  };
  await withSubscription({ script }, async ({ server, subscription, offsets, events }) => {
    await subscription.ready();
    server.cut();
    await until("the loss", () => events.length === 1);
    server.push("publications", CHANNEL, [publication(3)]);
    await until("the next publication", () => offsets.length === 1);
    assert.equal(events, ["lost 4→2"]);
    assert.equal(subscription.position, { epoch: "e2", offset: 3 });
  });
});

test("subscribes again with recover when an offset was skipped", async () => {
  const script = {
    subscribe: ({ count }: { count: number }) => (count === 1 ? subscribed(4) : subscribed(7, [5, 6, 7], true)),
  };
  await withSubscription({ script }, async ({ server, subscription, offsets, events }) => {
    await subscription.ready();
    server.push("publications", CHANNEL, [publication(7)]);
    await until("the recovery", () => events.length === 1);
    assert.equal(offsets, [5, 6, 7]);
    assert.equal(
      server.seen.map(({ name }) => name),
      ["subscribe", "unsubscribe", "subscribe"],
    );
  });
});

test("treats an ephemeral publication ahead of the position as a gap", async () => {
  const script = {
    subscribe: ({ count }: { count: number }) => (count === 1 ? subscribed(4) : subscribed(5, [5], true)),
  };
  await withSubscription({ script }, async ({ server, subscription, offsets, events }) => {
    await subscription.ready();
    server.push("publications", CHANNEL, [publication(4, { ephemeral: true })]);
    server.push("publications", CHANNEL, [publication(5, { ephemeral: true })]);
    await until("the recovery", () => events.length === 1);
    assert.equal(offsets, [4, 5]);
  });
});

test("retries an incomplete recovery once, then emits lost", async () => {
  const script = {
    subscribe: ({ count }: { count: number }) => (count === 1 ? subscribed(4) : subscribed(9, [6, 9], true)),
  };
  await withSubscription({ script }, async ({ server, subscription, offsets, events }) => {
    await subscription.ready();
    server.cut();
    await until("the loss", () => events.length === 1);
    assert.equal(events, ["lost 4→9"]);
    assert.equal(offsets, []);
    assert.is(server.seenOf("subscribe").length, 3);
  });
});

test("recovers by itself when the hub lost the stream", async () => {
  const script = {
    subscribe: ({ count }: { count: number }) => (count === 1 ? subscribed(4) : subscribed(4, [], true)),
  };
  await withSubscription({ script }, async ({ server, subscription, events }) => {
    await subscription.ready();
    server.push("unsubscribed", CHANNEL, errorObject("stream_lost", true));
    await until("the recovery", () => events.length === 1);
    assert.equal(events, ["recovered 0"]);
    assert.is(subscription.state.name, "live");
  });
});

test("ends with the error when its rights are lost, and a new subscription may follow", async () => {
  await withSubscription(
    { script: { subscribe: () => subscribed(4) } },
    async ({ server, client, subscription, events }) => {
      await subscription.ready();
      server.push("unsubscribed", CHANNEL, errorObject("forbidden", false));
      await until("the end", () => subscription.state.name === "ended");
      assert.equal(events, ["error forbidden"]);
      assert.is.not(client.subscribe(CHANNEL), subscription);
    },
  );
});

test("rejects ready() if the hub refuses permanently", async () => {
  await withSubscription({ script: { subscribe: () => refused("forbidden", false) } }, async ({ subscription }) => {
    const error = await subscription.ready().catch((failure) => failure);
    assert.is(error.code, "forbidden");
    assert.is(error.traceId, "trace-1");
  });
});

test("retries after a temporary refusal", async () => {
  const script = {
    subscribe: ({ count }: { count: number }) => (count < 3 ? refused("unavailable", true) : subscribed(1)),
  };
  await withSubscription({ script }, async ({ subscription }) => {
    assert.equal(await subscription.ready(), { epoch: "e1", offset: 1 });
  });
});

test("is one subscription for two holders and ends with the second unsubscribe", async () => {
  await withSubscription({ script: { subscribe: () => subscribed(4) } }, async ({ server, client, subscription }) => {
    assert.is(client.subscribe(CHANNEL), subscription);
    await subscription.unsubscribe();
    assert.is(server.seenOf("unsubscribe").length, 0);
    await subscription.unsubscribe();
    assert.is(server.seenOf("unsubscribe").length, 1);
    assert.equal(subscription.state, { name: "ended", error: null });
  });
});

test("is upgraded when presence is requested later", async () => {
  const script = {
    subscribe: ({ argument }: { argument: Record<string, unknown> }) =>
      argument.presence
        ? ok({
            epoch: "e1",
            offset: 4,
            recovered: true,
            publications: [],
            presence: { epoch: "p", version: 3, members: [] },
          })
        : subscribed(4),
  };
  await withSubscription({ script }, async ({ client, subscription, events }) => {
    await subscription.ready();
    assert.is(subscription.presence, null);
    client.subscribe(CHANNEL, { presence: true });
    await until("the snapshot", () => subscription.presence?.synced);
    assert.equal(events, []);
  });
});

test("yields its publications to a for-await loop until it ends", async () => {
  await withSubscription({ script: { subscribe: () => subscribed(0) } }, async ({ server, subscription }) => {
    await subscription.ready();
    const offsets: number[] = [];
    const loop = (async () => {
      for await (const { offset } of subscription) offsets.push(offset);
    })();
    server.push("publications", CHANNEL, [publication(1), publication(2)]);
    await until("two publications", () => offsets.length === 2);
    await subscription.unsubscribe();
    await loop;
    assert.equal(offsets, [1, 2]);
  });
});

test("survives handlers that throw, and reports to the client's error handler", async () => {
  await withSubscription(
    { script: { subscribe: () => subscribed(0) } },
    async ({ server, client, subscription, offsets }) => {
      const errors: string[] = [];
      client.on("error", ({ message }) => errors.push(message));
      subscription.on("publication", ({ offset }) => {
        throw new Error(`handler of ${offset}`);
      });
      await subscription.ready();
      server.push("publications", CHANNEL, [publication(1), publication(2)]);
      await until("both failures", () => errors.length === 2);
      assert.equal(errors, ["handler of 1", "handler of 2"]);
      assert.equal(offsets, [1, 2]);
    },
  );
});

test("gives a for-await loop that falls behind its position, and stops its buffer", async () => {
  await withSubscription({ script: { subscribe: () => subscribed(0) } }, async ({ server, subscription, offsets }) => {
    await subscription.ready();
    const loop = subscription[Symbol.asyncIterator]();
    const first = loop.next();
    server.push("publications", CHANNEL, [publication(1)]);
    assert.is((await first).value?.offset, 1);
    const many = Array.from({ length: 10_002 }, (_, index) => publication(index + 2));
    server.push("publications", CHANNEL, many);
    await until("all of them", () => offsets.length === 10_003);
    const error = await loop.next().then(
      () => null,
      (thrown) => thrown,
    );
    assert.is(error?.name, "IterationOverflowError");
    assert.equal(error.position, { epoch: "e1", offset: 1 });
  });
});

test("ends a for-await loop at lost publications, after the earlier ones", async () => {
  const subscribe = ({ count }: { count: number }) => (count === 1 ? subscribed(0) : subscribed(9, [], false, "e2"));
  await withSubscription({ script: { subscribe } }, async ({ server, subscription, events }) => {
    await subscription.ready();
    const offsets: number[] = [];
    const loop = (async () => {
      for await (const { offset } of subscription) offsets.push(offset);
    })();
    const failed = loop.then(
      () => null,
      (thrown) => thrown,
    );
    server.push("publications", CHANNEL, [publication(1)]);
    await until("the first", () => offsets.length === 1);
    server.cut();
    const error = await failed;
    assert.is(error?.name, "PublicationsLostError");
    assert.equal(
      [error.previous, error.position],
      [
        { epoch: "e1", offset: 1 },
        { epoch: "e2", offset: 9 },
      ],
    );
    assert.equal(events, ["lost 1→9"]);
    assert.is(subscription.state.name, "live");
  });
});

test("gets its roster by subscribing again if the list is refused", async () => {
  const roster = (version: number) => ({ epoch: "p", version, members: [] });
  const subscribe = ({ count }: { count: number }) =>
    ok({ channel: CHANNEL, epoch: "e1", offset: 0, recovered: true, publications: [], presence: roster(count * 10) });
  const script = { subscribe, "presence.list": () => refused("internal", false) };
  await withScriptedServer({ script }, async (server) => {
    const client = createClient({ url: server.url, token: "t", random: () => 0 });
    const subscription = client.subscribe(CHANNEL, { presence: true });
    const errors: string[] = [];
    subscription.on("error", ({ code }) => errors.push(code));
    await client.connect();
    await until("the roster", () => subscription.presence?.synced);
    server.push("presence", CHANNEL, { epoch: "p", from: 50, version: 51, joins: [], updates: [], leaves: [] });
    await until("the second subscribe", () => server.seenOf("subscribe").length === 2);
    await until("the roster again", () => subscription.presence?.synced);
    assert.equal(errors, ["internal"]);
    await client.close();
  });
});

test("retries a refused unsubscribe, and unsubscribes before it subscribes again after a gap", async () => {
  const script = {
    subscribe: ({ count }: { count: number }) => (count === 1 ? subscribed(0) : subscribed(3, [1, 2, 3], true)),
    unsubscribe: ({ count }: { count: number }) => (count % 2 === 1 ? refused("rate_limited", true) : ok({})),
  };
  await withSubscription(
    { script },
    async ({ server, subscription, offsets }) => {
      await subscription.ready();
      server.push("publications", CHANNEL, [publication(3)]);
      await until("the recovery", () => offsets.length === 3);
      const names = () => server.seen.map(({ name }) => name);
      assert.equal(names(), ["subscribe", "unsubscribe", "unsubscribe", "subscribe"]);
      await subscription.unsubscribe();
      assert.equal(names().slice(4), ["unsubscribe", "unsubscribe"]);
    },
    { random: () => 0 },
  );
});

test("ends without an error when the client is closed on purpose", async () => {
  await withSubscription({ script: { subscribe: () => subscribed(0) } }, async ({ client, subscription, events }) => {
    await subscription.ready();
    const loop = subscription[Symbol.asyncIterator]().next();
    await client.close();
    assert.equal(await loop, { value: undefined, done: true });
    assert.equal(events, []);
    assert.equal(subscription.state, { name: "ended", error: null });
  });
});

test("recovers over a new connection after an unreadable answer", async () => {
  const subscribe = ({ count }: { count: number }) => (count === 1 ? ok(null) : subscribed(4));
  await withSubscription({ script: { subscribe } }, async ({ server, subscription }) => {
    assert.equal(await subscription.ready(), { epoch: "e1", offset: 4 });
    assert.is(server.handshakes.length, 2);
  });
});

test.run();
