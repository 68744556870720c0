import * as assert from "uvu/assert";
import { type Client, type ClientOptions, createClient, type RealtimeError } from "../../client-sdk/index.ts";
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

const test = suite("publisher");

async function withClient(
  options: ScriptedServerOptions & { client?: Partial<ClientOptions> },
  body: (client: Client, server: ScriptedServer) => Promise<void>,
): Promise<void> {
  await withScriptedServer(options, async (server) => {
    const client = createClient({ url: server.url, token: "t", reconnectBaseDelayMs: 10, ...options.client });
    try {
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
const stored = ({ argument, count }: { argument: Record<string, unknown>; count: number }) =>
  ok({ id: argument.id, epoch: "e1", offset: count });

test("gives each publication a ULID and resolves with its position", async () => {
  await withClient({ script: { publish: stored } }, async (client, server) => {
    await client.connect();
    const reply = await client.publish(CHANNEL, "note", { text: "hello" });
    const { id, ...rest } = server.seenOf("publish")[0]?.argument ?? {};
    assert.match(String(id), /^[0-9A-HJKMNP-TV-Z]{26}$/);
    assert.equal(rest, { channel: CHANNEL, type: "note", payload: { text: "hello" } });
    assert.equal(reply, { id, epoch: "e1", offset: 1 });
  });
});

test("queues publications while offline and sends them in order once connected", async () => {
  await withClient({ script: { publish: stored } }, async (client, server) => {
    const replies = Promise.all([1, 2, 3].map((n) => client.publish(CHANNEL, "note", n)));
    await client.connect();
    assert.equal(
      (await replies).map(({ offset }) => offset),
      [1, 2, 3],
    );
    assert.equal(
      server.seenOf("publish").map(({ argument }) => argument.payload),
      [1, 2, 3],
    );
  });
});

test("retries with the same id when the answer is lost, and keeps the order", async () => {
  const publish: typeof stored = (request) => (request.count === 1 ? ("never" as never) : stored(request));
  await withClient({ script: { publish }, client: { requestTimeoutMs: 500 } }, async (client, server) => {
    await client.connect();
    await Promise.all([client.publish(CHANNEL, "note", 1), client.publish(CHANNEL, "note", 2)]);
    const sent = server.seenOf("publish").map(({ argument }) => argument);
    // A busy machine may answer late and see a retry more.
    const ofFirst = sent.filter(({ payload }) => payload === 1);
    assert.ok(ofFirst.length >= 2);
    assert.equal(
      sent.map(({ payload }) => payload).slice(0, ofFirst.length),
      ofFirst.map(() => 1),
    );
    assert.is(new Set(ofFirst.map(({ id }) => id)).size, 1);
  });
});

test("retries after a lost connection with the original payload, even if the caller changed it since", async () => {
  const publish: typeof stored = (request) => (request.count === 1 ? ("never" as never) : stored(request));
  await withClient({ script: { publish } }, async (client, server) => {
    await client.connect();
    const payload = { text: "first" };
    const reply = client.publish(CHANNEL, "note", payload);
    await until("the request", () => server.seenOf("publish").length === 1);
    payload.text = "changed";
    server.cut();
    await reply;
    const [first, second] = server.seenOf("publish");
    assert.equal(second?.argument, first?.argument);
    assert.is(second?.connection, 2);
  });
});

test("waits for a rate limit, rejects with a refusal, and continues with the next", async () => {
  const publish: typeof stored = (request) => {
    if (request.count === 1) return refused("rate_limited", true, { retryAfterMs: 10 }) as never;
    return request.argument.payload === 2 ? (refused("forbidden", false) as never) : stored(request);
  };
  await withClient({ script: { publish } }, async (client) => {
    await client.connect();
    const [first, second, third] = [1, 2, 3].map((n) => client.publish(CHANNEL, "note", n));
    assert.is((await failureOf(second as Promise<unknown>)).code, "forbidden");
    assert.is((await first)?.offset, 2);
    assert.is((await third)?.offset, 4);
  });
});

test("does not retry an ephemeral publication whose outcome is unknown", async () => {
  await withClient({ script: { publish: () => "never" }, client: { requestTimeoutMs: 50 } }, async (client, server) => {
    await client.connect();
    assert.is((await failureOf(client.publish(CHANNEL, "cursor", 1, { ephemeral: true }))).code, "timeout");
    assert.is(server.seenOf("publish").length, 1);
  });
});

test("rejects publications above the queue limit", async () => {
  await withClient({ client: { offlineQueueLimit: 2 } }, async (client) => {
    const waiting = [failureOf(client.publish(CHANNEL, "note", 1)), failureOf(client.publish("task:other", "note", 2))];
    const error = await failureOf(client.publish(CHANNEL, "note", 3));
    assert.is(error.name, "QueueFullError");
    await client.close();
    assert.equal(
      (await Promise.all(waiting)).map(({ name }) => name),
      ["ConnectionClosedError", "ConnectionClosedError"],
    );
  });
});

test("lets the caller abort a waiting publication", async () => {
  await withClient({ script: { publish: stored } }, async (client, server) => {
    const controller = new AbortController();
    const taken = failureOf(client.publish(CHANNEL, "note", 1, { signal: controller.signal }));
    const kept = client.publish(CHANNEL, "note", 2);
    controller.abort(new Error("never mind"));
    assert.is((await taken).message, "never mind");
    await client.connect();
    await kept;
    assert.equal(
      server.seenOf("publish").map(({ argument }) => argument.payload),
      [2],
    );
  });
});

test("rejects a payload that is not JSON without sending it", async () => {
  await withClient({}, async (client, server) => {
    await client.connect();
    assert.is((await failureOf(client.publish(CHANNEL, "note", new Uint8Array(4)))).name, "InvalidArgumentError");
    assert.is(server.seenOf("publish").length, 0);
  });
});

test("keeps a channel's queue in order after a rate-limited publication is aborted", async () => {
  const publish: typeof stored = (request) =>
    request.count === 1 ? (refused("rate_limited", true, { retryAfterMs: 80 }) as never) : ("never" as never);
  await withClient({ script: { publish }, client: { random: () => 0 } }, async (client, server) => {
    await client.connect();
    const controller = new AbortController();
    const taken = failureOf(client.publish(CHANNEL, "note", 1, { signal: controller.signal }));
    await until("the refusal", () => server.seenOf("publish").length === 1);
    // Requests are answered in order, so an answer to a later one means that the refusal has arrived.
    await client.request("unsubscribe", { channel: CHANNEL });
    const refusedAtMs = performance.now();
    controller.abort(new Error("never mind"));
    await taken;
    const second = failureOf(client.publish(CHANNEL, "note", 2));
    await until("the second", () => server.seenOf("publish").length === 2);
    await until("the retry delay is over", () => performance.now() > refusedAtMs + 100);
    const third = failureOf(client.publish(CHANNEL, "note", 3));
    await client.request("unsubscribe", { channel: CHANNEL });
    assert.equal(
      server.seenOf("publish").map(({ argument }) => argument.payload),
      [1, 2],
    );
    await client.close();
    assert.is((await third).name, "ConnectionClosedError");
    assert.is((await second).name, "ConnectionClosedError");
  });
});

test("waits for a rate limit although another waiting publication is aborted", async () => {
  const publish: typeof stored = (request) =>
    request.count === 1 ? (refused("rate_limited", true, { retryAfterMs: 200 }) as never) : stored(request);
  await withClient({ script: { publish }, client: { random: () => 0 } }, async (client, server) => {
    await client.connect();
    const controller = new AbortController();
    const startedAtMs = performance.now();
    const first = client.publish(CHANNEL, "note", 1);
    const taken = failureOf(client.publish(CHANNEL, "note", 2, { signal: controller.signal }));
    await until("the refusal", () => server.seenOf("publish").length === 1);
    await client.request("unsubscribe", { channel: CHANNEL });
    controller.abort(new Error("never mind"));
    await taken;
    await first;
    assert.ok(performance.now() - startedAtMs >= 200);
  });
});

test("does not retry a publication after a sleep longer than the hub remembers ids", async () => {
  const now = Date.now;
  await withClient({ script: { publish: () => "never" } }, async (client, server) => {
    await client.connect();
    const reply = failureOf(client.publish(CHANNEL, "note", 1));
    await until("the request", () => server.seenOf("publish").length === 1);
    Date.now = () => now() + 600_000;
    try {
      server.cut();
      assert.is((await reply).name, "OutcomeUnknownError");
      assert.is(server.seenOf("publish").length, 1);
    } finally {
      Date.now = now;
    }
  });
});

test("sends an ephemeral publication that was still queued when the connection broke", async () => {
  const publish: typeof stored = (request) => (request.count === 1 ? ("never" as never) : stored(request));
  await withClient({ script: { publish } }, async (client, server) => {
    await client.connect();
    const first = failureOf(client.publish(CHANNEL, "cursor", 1, { ephemeral: true }));
    const waiting = client.publish(CHANNEL, "cursor", 2, { ephemeral: true });
    await until("the first", () => server.seenOf("publish").length === 1);
    server.cut();
    assert.is((await first).code, "disconnected");
    await waiting;
    assert.equal(
      server.seenOf("publish").map(({ connection, argument }) => [connection, argument.payload]),
      [
        [1, 1],
        [2, 2],
      ],
    );
  });
});

test("rejects bytes that have a toJSON", async () => {
  await withClient({}, async (client) => {
    assert.is((await failureOf(client.publish(CHANNEL, "note", { b: Buffer.from("x") }))).name, "InvalidArgumentError");
  });
});

test.run();
