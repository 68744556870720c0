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
  told: string[];
}

/** A connected client that follows the channel and notes what it is told. */
async function withSubscription(
  options: ScriptedServerOptions,
  body: (scene: Scene) => Promise<void>,
  clientOptions: Partial<ClientOptions> = {},
): Promise<void> {
  await withScriptedServer(options, async (server) => {
    const client = createClient({ url: server.url, token: "t", reconnectBaseDelayMs: 10, ...clientOptions });
    const subscription = client.subscribe(CHANNEL);
    const offsets: number[] = [];
    const told: string[] = [];
    subscription.on("publication", ({ offset }) => offsets.push(offset));
    subscription.on("recovered", ({ publications }) => told.push(`recovered ${publications}`));
    subscription.on("lost", ({ previous, position }) => told.push(`lost ${previous.offset}→${position.offset}`));
    subscription.on("error", ({ code }) => told.push(`error ${code}`));
    try {
      await client.connect();
      await body({ server, client, subscription, offsets, told });
    } finally {
      await client.close();
    }
  });
}

test("delivers what is pushed, in order, and moves its position", async () => {
  await withSubscription({ script: { subscribe: () => subscribed(4) } }, async ({ server, subscription, offsets }) => {
    assert.equal(await subscription.ready(), { epoch: "e1", offset: 4 });
    server.push("publications", CHANNEL, [publication(5), publication(6)]);
    server.push("publications", CHANNEL, [publication(7)]);
    await until("three publications", () => offsets.length === 3);
    assert.equal(offsets, [5, 6, 7]);
    assert.equal(subscription.position, { epoch: "e1", offset: 7 });
  });
});

test("drops repeats and delivers what came before the answer only if the answer does not hold it", async () => {
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
  await withSubscription({ script }, async ({ server, subscription, offsets, told }) => {
    await subscription.ready();
    server.push("publications", CHANNEL, [publication(5)]);
    await until("the first publication", () => offsets.length === 1);
    server.cut();
    await until("the recovery", () => told.length === 1);
    assert.equal(offsets, [5, 6, 7]);
    assert.equal(told, ["recovered 2"]);
    assert.equal(server.seenOf("subscribe")[1]?.argument.recover, { epoch: "e1", offset: 5 });
  });
});

test("recovers over a new connection when the hub sends what it can't read", async () => {
  const script = {
    subscribe: ({ count }: { count: number }) => (count === 1 ? subscribed(4) : subscribed(5, [5], true)),
  };
  await withSubscription({ script }, async ({ server, subscription, offsets, told }) => {
    await subscription.ready();
    server.push("publications", CHANNEL, null as never);
    await until("the recovery", () => told.length === 1);
    assert.equal(offsets, [5]);
    assert.is(server.handshakes.length, 2);
  });
});

test("says lost where the hub can't recover, and goes on from the new position", async () => {
  const script = {
    subscribe: ({ count }: { count: number }) => (count === 1 ? subscribed(4) : subscribed(2, [], false, "e2")),
  };
  await withSubscription({ script }, async ({ server, subscription, offsets, told }) => {
    await subscription.ready();
    server.cut();
    await until("the loss", () => told.length === 1);
    server.push("publications", CHANNEL, [publication(3)]);
    await until("the next publication", () => offsets.length === 1);
    assert.equal(told, ["lost 4→2"]);
    assert.equal(subscription.position, { epoch: "e2", offset: 3 });
  });
});

test("subscribes anew with recover when an offset was skipped", async () => {
  const script = {
    subscribe: ({ count }: { count: number }) => (count === 1 ? subscribed(4) : subscribed(7, [5, 6, 7], true)),
  };
  await withSubscription({ script }, async ({ server, subscription, offsets, told }) => {
    await subscription.ready();
    server.push("publications", CHANNEL, [publication(7)]);
    await until("the recovery", () => told.length === 1);
    assert.equal(offsets, [5, 6, 7]);
    assert.equal(
      server.seen.map(({ name }) => name),
      ["subscribe", "unsubscribe", "subscribe"],
    );
  });
});

test("takes an ephemeral publication that is ahead for the gap it tells of", async () => {
  const script = {
    subscribe: ({ count }: { count: number }) => (count === 1 ? subscribed(4) : subscribed(5, [5], true)),
  };
  await withSubscription({ script }, async ({ server, subscription, offsets, told }) => {
    await subscription.ready();
    server.push("publications", CHANNEL, [publication(4, { ephemeral: true })]);
    server.push("publications", CHANNEL, [publication(5, { ephemeral: true })]);
    await until("the recovery", () => told.length === 1);
    assert.equal(offsets, [4, 5]);
  });
});

test("asks once more for a recovery that has holes, then calls it lost", async () => {
  const script = {
    subscribe: ({ count }: { count: number }) => (count === 1 ? subscribed(4) : subscribed(9, [6, 9], true)),
  };
  await withSubscription({ script }, async ({ server, subscription, offsets, told }) => {
    await subscription.ready();
    server.cut();
    await until("the loss", () => told.length === 1);
    assert.equal(told, ["lost 4→9"]);
    assert.equal(offsets, []);
    assert.is(server.seenOf("subscribe").length, 3);
  });
});

test("recovers by itself when the hub lost the stream", async () => {
  const script = {
    subscribe: ({ count }: { count: number }) => (count === 1 ? subscribed(4) : subscribed(4, [], true)),
  };
  await withSubscription({ script }, async ({ server, subscription, told }) => {
    await subscription.ready();
    server.push("unsubscribed", CHANNEL, errorObject("stream_lost", true));
    await until("the recovery", () => told.length === 1);
    assert.equal(told, ["recovered 0"]);
    assert.is(subscription.state.name, "live");
  });
});

test("ends with the error when its rights are lost, and a new one may be made", async () => {
  await withSubscription(
    { script: { subscribe: () => subscribed(4) } },
    async ({ server, client, subscription, told }) => {
      await subscription.ready();
      server.push("unsubscribed", CHANNEL, errorObject("forbidden", false));
      await until("the end", () => subscription.state.name === "ended");
      assert.equal(told, ["error forbidden"]);
      assert.is.not(client.subscribe(CHANNEL), subscription);
    },
  );
});

test("rejects ready() where the hub refuses for good", async () => {
  await withSubscription({ script: { subscribe: () => refused("forbidden", false) } }, async ({ subscription }) => {
    const error = await subscription.ready().catch((failure) => failure);
    assert.is(error.code, "forbidden");
    assert.is(error.traceId, "trace-1");
  });
});

test("tries again where the hub refuses for now", async () => {
  const script = {
    subscribe: ({ count }: { count: number }) => (count < 3 ? refused("unavailable", true) : subscribed(1)),
  };
  await withSubscription({ script }, async ({ subscription }) => {
    assert.equal(await subscription.ready(), { epoch: "e1", offset: 1 });
  });
});

test("is one subscription for two holders and ends with the second one's goodbye", async () => {
  await withSubscription({ script: { subscribe: () => subscribed(4) } }, async ({ server, client, subscription }) => {
    assert.is(client.subscribe(CHANNEL), subscription);
    await subscription.unsubscribe();
    assert.is(server.seenOf("unsubscribe").length, 0);
    await subscription.unsubscribe();
    assert.is(server.seenOf("unsubscribe").length, 1);
    assert.equal(subscription.state, { name: "ended", error: null });
  });
});

test("is upgraded when presence is asked for later", async () => {
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
  await withSubscription({ script }, async ({ client, subscription, told }) => {
    await subscription.ready();
    assert.is(subscription.presence, null);
    client.subscribe(CHANNEL, { presence: true });
    await until("the snapshot", () => subscription.presence?.synced);
    assert.equal(told, []);
  });
});

test("gives its publications to a for-await loop until it ends", async () => {
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

test("survives handlers that throw and tells the client's error handler", async () => {
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

test("tells a for-await loop that falls behind where it stood, and holds nothing more for it", async () => {
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

test("ends a for-await loop at a hole that can't be filled, after what came before it", async () => {
  const subscribe = ({ count }: { count: number }) => (count === 1 ? subscribed(0) : subscribed(9, [], false, "e2"));
  await withSubscription({ script: { subscribe } }, async ({ server, subscription, told }) => {
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
    assert.equal(told, ["lost 1→9"]);
    assert.is(subscription.state.name, "live");
  });
});

test("gets its roster by subscribing anew where the list is refused", async () => {
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

test("says unsubscribe again when it is refused for now, and before it subscribes anew after a gap", async () => {
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
  await withSubscription({ script: { subscribe: () => subscribed(0) } }, async ({ client, subscription, told }) => {
    await subscription.ready();
    const loop = subscription[Symbol.asyncIterator]().next();
    await client.close();
    assert.equal(await loop, { value: undefined, done: true });
    assert.equal(told, []);
    assert.equal(subscription.state, { name: "ended", error: null });
  });
});

test("recovers over a new connection when the hub's answer can't be read", async () => {
  const subscribe = ({ count }: { count: number }) => (count === 1 ? ok(null) : subscribed(4));
  await withSubscription({ script: { subscribe } }, async ({ server, subscription }) => {
    assert.equal(await subscription.ready(), { epoch: "e1", offset: 4 });
    assert.is(server.handshakes.length, 2);
  });
});

test.run();
