import type { AddressInfo } from "node:net";
import { createServer } from "node:net";
import { inspect } from "node:util";
import * as assert from "uvu/assert";
import {
  type Client,
  type ClientOptions,
  ConnectionClosedError,
  createClient,
  DisconnectedError,
  type RealtimeError,
} from "../../client-sdk/index.ts";
import { suite } from "../support/suite.ts";
import { until } from "../support/until.ts";
import {
  errorObject,
  ok,
  refused,
  type ScriptedServer,
  type ScriptedServerOptions,
  withScriptedServer,
} from "./support/scripted-server.ts";

const test = suite("client");

async function withClient(
  options: ScriptedServerOptions & { client?: Partial<ClientOptions> },
  body: (client: Client, server: ScriptedServer, states: string[]) => Promise<void>,
): Promise<void> {
  await withScriptedServer(options, async (server) => {
    const client = createClient({ url: server.url, token: "t", reconnectBaseDelayMs: 10, ...options.client });
    const states: string[] = [];
    client.on("state", ({ name }) => states.push(name));
    try {
      await body(client, server, states);
    } finally {
      await client.close();
    }
  });
}

const waitingError = ({ state }: Client): RealtimeError | null => (state.name === "waiting" ? state.error : null);

const failureOf = (promise: Promise<unknown>): Promise<RealtimeError> =>
  promise.then(
    () => {
      throw new Error("the promise was fulfilled");
    },
    (error) => error,
  );

test("sends nothing before connect() and resolves it with the welcome", async () => {
  await withClient({ client: { client: "test/1.2" } }, async (client, server, states) => {
    assert.is(client.state.name, "idle");
    const welcome = await client.connect();
    assert.is(welcome.nodeId, "scripted");
    assert.equal(server.handshakes, [{ token: "t", protocol: 1, client: "test/1.2" }]);
    assert.equal(states, ["connecting", "connected"]);
    assert.is((await client.connect()).connectionId, welcome.connectionId);
  });
});

test("closes with the error when the hub refuses permanently", async () => {
  await withClient({ refuse: () => errorObject("unauthenticated", false) }, async (client, server) => {
    const error = await failureOf(client.connect());
    assert.is(error.code, "unauthenticated");
    assert.equal(client.state, { name: "closed", error });
    const later = await failureOf(client.publish("task:x", "note", {}));
    assert.instance(later, ConnectionClosedError);
    assert.match(later.message, /unauthenticated.*createClient/s);
    assert.is(server.handshakes.length, 1);
  });
});

test("retries after a temporary refusal, after its retryAfterMs", async () => {
  const refuse = (_: unknown, attempt: number) =>
    attempt < 3 ? errorObject("unavailable", true, { retryAfterMs: 20 }) : null;
  await withClient({ refuse }, async (client, server, states) => {
    await client.connect();
    assert.is(server.handshakes.length, 3);
    assert.equal(states, ["connecting", "waiting", "connecting", "waiting", "connecting", "connected"]);
  });
});

test("calls the token function before every connect, and after token_expired", async () => {
  let count = 0;
  const refuse = (auth: Record<string, unknown>) => (auth.token === "t1" ? errorObject("token_expired", true) : null);
  await withClient({ refuse, client: { token: async () => `t${++count}` } }, async (client, server) => {
    await client.connect();
    server.cut();
    await until("the third handshake", () => server.handshakes.length === 3 && client.state.name === "connected");
    assert.equal(
      server.handshakes.map(({ token }) => token),
      ["t1", "t2", "t3"],
    );
  });
});

test("closes on token_expired when its token is fixed", async () => {
  await withClient({ refuse: () => errorObject("token_expired", true) }, async (client) => {
    const error = await failureOf(client.connect());
    assert.is(error.code, "token_expired");
    assert.is(error.temporary, false);
    assert.match(error.message, /Give a token function/);
  });
});

test("keeps trying when the token function fails", async () => {
  let count = 0;
  const token = () => {
    count++;
    if (count === 1) throw new Error("no network");
    return "t";
  };
  await withClient({ client: { token, random: () => 0.99, reconnectBaseDelayMs: 50 } }, async (client) => {
    const waiting = until("the wait", () => waitingError(client));
    const [error] = await Promise.all([waiting, client.connect()]);
    assert.match(error.message, /no network/);
  });
});

test("times out on a hub that accepts the connection and sends nothing, and retries", async () => {
  await withClient(
    { silent: (attempt) => attempt === 1, client: { connectTimeoutMs: 1_000 } },
    async (client, server) => {
      const connecting = client.connect();
      assert.is((await until("the wait", () => waitingError(client))).name, "ConnectTimeoutError");
      await connecting;
      assert.is.not(server.handshakes.length, 1);
    },
  );
});

test("times out on a stopped process whose kernel still accepts", async () => {
  const stopped = createServer(() => undefined);
  await new Promise<void>((resolve) => stopped.listen(0, "127.0.0.1", resolve));
  const { port } = stopped.address() as AddressInfo;
  const client = createClient({ url: `http://127.0.0.1:${port}`, token: "t", connectTimeoutMs: 100 });
  const connecting = failureOf(client.connect());
  const error = await until("the wait", () => waitingError(client));
  assert.is(error.name, "ConnectTimeoutError");
  await client.close();
  assert.instance(await connecting, ConnectionClosedError);
  stopped.close();
});

test("keeps trying while the port is closed", async () => {
  const client = createClient({
    url: "http://127.0.0.1:9",
    token: "t",
    reconnectBaseDelayMs: 1,
    reconnectMaxDelayMs: 2,
  });
  let waits = 0;
  client.on("state", ({ name }) => {
    if (name === "waiting") waits++;
  });
  const connecting = failureOf(client.connect());
  await until("three failures", () => waits >= 3);
  await client.close();
  assert.instance(await connecting, ConnectionClosedError);
});

test("stays closed after replaced, so that two clients do not keep replacing each other", async () => {
  await withClient({}, async (client, server) => {
    await client.connect();
    const ended = new Promise<RealtimeError>((resolve) => void client.on("error", resolve));
    server.endWith(errorObject("replaced", false));
    assert.is((await ended).name, "ReplacedError");
    assert.is(client.state.name, "closed");
    assert.is(server.handshakes.length, 1);
  });
});

test("reconnects after slow_consumer, and shows it while it waits", async () => {
  await withClient({ client: { random: () => 0.99, reconnectBaseDelayMs: 50 } }, async (client, server) => {
    await client.connect();
    server.endWith(errorObject("slow_consumer", true));
    const error = await until("the wait", () => waitingError(client));
    assert.is(error.code, "slow_consumer");
    await until("the next connection", () => client.state.name === "connected");
  });
});

test("moves after goaway at the given time, without leaving presence", async () => {
  await withClient({}, async (client, server, states) => {
    await client.connect();
    await client.presence("task:x").join({ mood: "fine" });
    const received: number[] = [];
    client.on("goaway", ({ reconnectInMs }) => received.push(reconnectInMs));
    server.push("goaway", { reason: "draining", reconnectInMs: 60 });
    await until("the push", () => received.length === 1);
    assert.is(client.state.name, "connected");
    await until("the move", () => server.handshakes.length === 2 && client.state.name === "connected");
    assert.equal(states, ["connecting", "connected", "connecting", "connected"]);
    await until("the join", () => server.seenOf("presence.join").length === 2);
    assert.is(server.seenOf("presence.leave").length, 0);
  });
});

test("refreshes its token when it expires soon", async () => {
  let count = 0;
  await withClient({ client: { token: () => `t${++count}` } }, async (client, server) => {
    await client.connect();
    server.push("token.expiring", { expiresInMs: 60_000 });
    const refresh = await until("the refresh", () => server.seenOf("auth.refresh")[0]);
    assert.equal(refresh.argument, { token: "t2" });
  });
});

test("calls the token function again after a temporary refusal of the refresh", async () => {
  let count = 0;
  const script = { "auth.refresh": () => (count < 3 ? refused("unavailable", true) : ok({ expiresInMs: 1 })) };
  await withClient({ script, client: { token: () => `t${++count}`, random: () => 0 } }, async (client, server) => {
    const errors: string[] = [];
    client.on("error", ({ code }) => errors.push(code));
    await client.connect();
    server.push("token.expiring", { expiresInMs: 60_000 });
    await until("the second refresh", () => server.seenOf("auth.refresh").length === 2);
    assert.equal(errors, ["unavailable"]);
  });
});

test("does not send an unchanged JWT again, and sends the next one as soon as it is available", async () => {
  let [token, calls] = ["a.b.c", 0];
  const source = () => {
    calls += 1;
    return token;
  };
  await withClient({ client: { token: source, random: () => 0 } }, async (client, server) => {
    await client.connect();
    server.push("token.expiring", { expiresInMs: 5_000 });
    await until("two more calls", () => calls === 3);
    assert.equal(server.seenOf("auth.refresh"), []);
    token = "d.e.f";
    const refresh = await until("the refresh", () => server.seenOf("auth.refresh")[0]);
    assert.equal(refresh.argument, { token: "d.e.f" });
    server.push("token.expiring", { expiresInMs: 5_000 });
    await until("another call", () => calls === 5);
    assert.is(server.seenOf("auth.refresh").length, 1);
  });
});

for (const token of ["pat_12345678", () => "pat_12345678"]) {
  test(`sends an unchanged personal access token, a ${typeof token}, once for each warning`, async () => {
    await withClient({ client: { token } }, async (client, server) => {
      await client.connect();
      for (const count of [1, 2]) {
        server.push("token.expiring", { expiresInMs: 60_000 });
        await until("the refresh", () => server.seenOf("auth.refresh").length === count);
      }
      server.endWith(errorObject("token_expired", true));
      await until("the next connection", () => server.handshakes.length === 2 && client.state.name === "connected");
    });
  });
}

const NO_TOKENS: [given: unknown, named: RegExp][] = [
  [undefined, /it is undefined/],
  [null, /it is null/],
  ["", /it is empty/],
  [" \n\t", /it is empty/],
  [42, /it is number/],
  [{ access_token: "secret" }, /it is object/],
  [Buffer.from("secret"), /it is object/],
  [["secret"], /it is object/],
  [Symbol("secret"), /it is symbol/],
  [Object.create(null), /it is object/],
  ["secret secret", /it is split by whitespace/],
  ["secret\nsecret\n", /it is split by whitespace/],
];

for (const [given, named] of NO_TOKENS) {
  test(`treats ${inspect(given)} from a token function as no token, reports it, and calls again`, async () => {
    let calls = 0;
    const token = () => (++calls === 2 || calls === 4 ? "good" : given) as string;
    await withClient({ client: { token } }, async (client, server) => {
      const errors: RealtimeError[] = [];
      client.on("state", (state) => state.name === "waiting" && errors.push(state.error));
      client.on("error", (error) => errors.push(error));
      await client.connect();
      server.push("token.expiring", { expiresInMs: 5_000 });
      await until("the call after the one without a token", () => calls === 4);
      assert.is(errors.length, 2);
      for (const error of errors) {
        assert.equal([error.code, error.temporary], ["token_unavailable", true]);
        assert.match(error.message, named);
        assert.not.match(error.message, /secret/);
      }
      assert.equal(
        server.handshakes.map((auth) => auth.token),
        ["good"],
      );
      assert.equal(server.seenOf("auth.refresh"), []);
    });
  });
}

test("trims a token from any source", async () => {
  for (const token of ["\n good\r\n", () => " good\n", async () => "good \n"]) {
    await withClient({ client: { token } }, async (client, server) => {
      await client.connect();
      assert.is(server.handshakes[0]?.token, "good");
    });
  }
});

test("ignores pushes that it does not know", async () => {
  await withClient({}, async (client, server) => {
    await client.connect();
    server.socket().emit("moon.phase", "full");
    assert.equal(await client.request("unsubscribe", { channel: "task:x" }), {});
  });
});

test("rejects a request that is not answered in time, and one whose connection breaks", async () => {
  await withClient({ script: { history: () => "never" }, client: { requestTimeoutMs: 50 } }, async (client, server) => {
    await client.connect();
    assert.is((await failureOf(client.history("task:x"))).name, "RequestTimeoutError");
    const cut = failureOf(client.history("task:x", {}, { timeoutMs: 5_000 }));
    await until("the request", () => server.seenOf("history").length === 2);
    server.cut();
    assert.is((await cut).name, "DisconnectedError");
  });
});

test("retries only reads and idempotent calls after temporary failures", async () => {
  const script = {
    rpc: ({ count }: { count: number }) => (count % 2 === 1 ? refused("unavailable", true) : ok({ count })),
  };
  await withClient({ script }, async (client, server) => {
    await client.connect();
    assert.equal(await client.rpc("tasks.get", { id: "x" }), { count: 2 });
    const create = { projectId: "p", title: "t" };
    assert.equal(await client.rpc("tasks.create", create, { idempotencyKey: "k" }), { count: 4 });
    assert.is((await failureOf(client.rpc("tasks.create", create))).code, "unavailable");
    assert.equal(server.seenOf("rpc")[3]?.argument, { method: "tasks.create", params: create, idempotencyKey: "k" });
  });
});

test("rejects a call when its signal aborts", async () => {
  await withClient({ script: { rpc: () => "never" } }, async (client, server) => {
    await client.connect();
    const controller = new AbortController();
    const call = failureOf(client.rpc("tasks.get", { id: "x" }, { signal: controller.signal }));
    await until("the request", () => server.seenOf("rpc").length === 1);
    controller.abort(new Error("changed my mind"));
    assert.is((await call).message, "changed my mind");
  });
});

test("holds a call until the client is connected", async () => {
  await withClient({ script: { rpc: () => ok({ id: "x" }) } }, async (client) => {
    const call = client.rpc("tasks.get", { id: "x" });
    await client.connect();
    assert.equal(await call, { id: "x" });
  });
});

test("sends a goodbye on close and rejects pending requests", async () => {
  await withClient({ script: { history: () => "never" } }, async (client, server) => {
    await client.connect();
    const waiting = failureOf(client.history("task:x"));
    await until("the request", () => server.seenOf("history").length === 1);
    const socket = server.socket();
    const reason = new Promise((resolve) => socket.on("disconnect", resolve));
    await client.close();
    assert.is(await reason, "client namespace disconnect");
    assert.is((await waiting).name, "ConnectionClosedError");
    assert.equal(client.state, { name: "closed", error: null });
    assert.instance(await failureOf(client.connect()), ConnectionClosedError);
  });
});

test("disconnects without a goodbye with goodbye: false", async () => {
  await withClient({}, async (client, server) => {
    await client.connect();
    const socket = server.socket();
    const reason = new Promise((resolve) => socket.on("disconnect", resolve));
    await client.close({ goodbye: false });
    assert.is(await reason, "transport close");
    assert.equal(client.state, { name: "closed", error: null });
  });
});

test("uses long-polling with that transport option", async () => {
  await withClient({ client: { transports: ["polling"] } }, async (client, server) => {
    await client.connect();
    assert.is(server.socket().conn.transport.name, "polling");
  });
});

test("leaves its presence when it is closed while the node drains", async () => {
  await withClient({}, async (client, server) => {
    await client.connect();
    await client.presence("task:x").join({ mood: "fine" });
    const received = new Promise((resolve) => client.on("goaway", resolve));
    server.push("goaway", { reason: "draining", reconnectInMs: 5_000 });
    await received;
    await client.close();
    assert.equal(
      server.seenOf("presence.leave").map(({ argument }) => argument),
      [{ channel: "task:x" }],
    );
  });
});

test("reports a call without a connection as not sent", async () => {
  const client = createClient({ url: "http://127.0.0.1:1", token: "t" });
  const failed = failureOf(client.rpc("tasks.get", { id: "task_x" }, { timeoutMs: 50 }));
  const error = await failed;
  assert.ok(error instanceof DisconnectedError);
  assert.is(error.sent, false);
  await client.close();
});

test("emits the reason of its end as an error", async () => {
  await withClient({}, async (client, server) => {
    const errors: string[] = [];
    client.on("error", ({ code }) => errors.push(code));
    await client.connect();
    server.endWith(errorObject("suspended", false));
    await until("the end", () => client.state.name === "closed");
    assert.equal(errors, ["suspended"]);
  });
});

test("rejects a pending call when the client is closed permanently", async () => {
  await withClient({ script: { history: () => "never" } }, async (client, server) => {
    client.on("error", () => undefined);
    await client.connect();
    const waiting = failureOf(client.history("task:x"));
    await until("the request", () => server.seenOf("history").length === 1);
    server.endWith(errorObject("suspended", false));
    assert.instance(await waiting, ConnectionClosedError);
  });
});

test("does not wait for a token after close", async () => {
  const timers = () => process.getActiveResourcesInfo().filter((name) => name === "Timeout").length;
  const before = timers();
  const client = createClient({ url: "http://127.0.0.1:1", token: () => new Promise(() => undefined) });
  const connecting = failureOf(client.connect());
  await client.close();
  await connecting;
  await until("its timers are cleared", () => timers() <= before);
});

test.run();
