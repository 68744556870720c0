import pino from "pino";
import { ulid } from "ulid";
import { equal, is, ok } from "uvu/assert";
import { WebSocket } from "ws";
import { type TestHub, withHub } from "../support/hub.ts";
import { RawClient } from "../support/raw-client.ts";
import { RawTransport } from "../support/raw-transport.ts";
import { suite } from "../support/suite.ts";
import { until } from "../support/until.ts";

const test = suite("bad input");

/** A WebSocket that Engine.IO has opened, for packets that no client sends. */
async function openTransport(hub: TestHub) {
  const socket = new WebSocket(`${hub.url.replace("http", "ws")}/socket.io/?EIO=4&transport=websocket`);
  const received: string[] = [];
  socket.on("message", (message) => void received.push(String(message)));
  const closed = new Promise<void>((resolve) => socket.once("close", () => resolve()));
  await until("the transport is open", () => received.some((packet) => packet.startsWith("0")));
  return { received, closed, send: (packet: string | Buffer) => socket.send(packet) };
}

const nested = (depth: number): unknown => JSON.parse("[".repeat(depth) + "]".repeat(depth));

test("malformed requests are rejected, and the connection stays open", () =>
  withHub({}, async (hub) => {
    const client = await hub.connect(hub.serviceToken);
    const channel = hub.taskChannel;
    const publish = { channel, type: "note", payload: 1 };
    const cases: [string, unknown[], string][] = [
      ["publish", [], "bad_request"],
      ["publish", [null], "bad_request"],
      ["publish", [[publish]], "bad_request"],
      ["publish", ["text"], "bad_request"],
      ["publish", [publish, publish], "bad_request"],
      ["publish", [{ ...publish, extra: 1 }], "bad_request"],
      ["publish", [{ channel, type: "note" }], "bad_request"],
      ["publish", [{ ...publish, type: 7 }], "bad_request"],
      ["publish", [{ ...publish, type: "UPPER" }], "bad_request"],
      ["publish", [{ ...publish, type: "a".repeat(65) }], "bad_request"],
      ["publish", [{ ...publish, id: "" }], "bad_request"],
      ["publish", [{ ...publish, ephemeral: "yes" }], "bad_request"],
      ["publish", [{ ...publish, payload: "a\u0000b" }], "bad_request"],
      ["publish", [{ ...publish, payload: { "a\ud800": 1 } }], "bad_request"],
      ["publish", [{ ...publish, payload: nested(40) }], "bad_request"],
      [
        "publish",
        [{ ...publish, payload: Object.fromEntries(Array.from({ length: 1_100 }, (_, n) => [`k${n}`, n])) }],
        "bad_request",
      ],
      ["publish", [{ ...publish, payload: "x".repeat(70_000) }], "payload_too_large"],
      ["subscribe", [JSON.parse(`{"channel":"${channel}","__proto__":{"presence":true}}`)], "bad_request"],
      ["subscribe", [{ channel, recover: { epoch: "e", offset: -1 } }], "bad_request"],
      ["subscribe", [{ channel, recover: { epoch: "e", offset: 1.5 } }], "bad_request"],
      ["history", [{ channel, limit: 0 }], "bad_request"],
      ["history", [{ channel, limit: 1e9 }], "bad_request"],
      ["rpc", [{ method: "__proto__" }], "unknown_method"],
      ["rpc", [{ method: "tasks.get", params: { id: "task_1".repeat(100) } }], "bad_request"],
      ["constructor", [{}], "bad_request"],
      ["__proto__", [{}], "bad_request"],
      ["nonsense", [{}], "bad_request"],
    ];
    for (const [event, values, code] of cases) {
      const error = await client.refused(event, ...values);
      is(error.code, code, `${event} ${JSON.stringify(values).slice(0, 80)}: ${error.message}`);
      ok(error.traceId);
    }
    is((await client.request("publish", publish)).offset, 1);
  }));

test("numbers beyond the range of a double are rejected with their path", () =>
  withHub({}, async (hub) => {
    const transport = await openTransport(hub);
    transport.send(`40${JSON.stringify({ token: hub.userToken })}`);
    await until("a welcome", () => transport.received.some((packet) => packet.includes('"welcome"')));
    const channel = JSON.stringify(hub.taskChannel);
    const requests = [
      [`["publish",{"channel":${channel},"type":"note","payload":1e999}]`, "argument.payload"],
      [`["publish",{"channel":${channel},"type":"note","payload":{"a":[0,-1e999]}}]`, "argument.payload.a.1"],
      [`["presence.join",{"channel":${channel},"meta":{"a":1e999}}]`, "argument.meta.a"],
      [`["rpc",{"method":"tasks.get","params":{"id":1e999}}]`, "argument.params.id"],
    ];
    requests.forEach(([request], id) => {
      transport.send(`42${id}${request}`);
    });
    const answers = () => transport.received.filter((packet) => packet.startsWith("43"));
    await until("all are answered", () => answers().length === requests.length);
    for (const [id, [, path]] of requests.entries()) {
      const answer = answers().find((packet) => packet.startsWith(`43${id}[`)) ?? "";
      const [{ error }] = JSON.parse(answer.slice(`43${id}`.length));
      equal([error.code, error.details[0].path], ["bad_request", path]);
    }
    const response = await fetch(`${hub.url}/v1/channels/${hub.taskChannel}/publish`, {
      method: "POST",
      body: '{"type":"note","payload":[1e999]}',
      headers: { Authorization: `Bearer ${hub.serviceToken}`, "Content-Type": "application/json" },
    });
    const { details } = (await response.json()) as { details: { path: string }[] };
    equal([response.status, details[0]?.path], [400, "body.payload.0"]);
  }));

test("names that are no channel are unknown_channel", () =>
  withHub({}, async (hub) => {
    const client = await hub.connect(hub.serviceToken);
    const id = hub.taskChannel.slice("task:".length);
    for (const channel of [
      "",
      "*",
      client.socket.id ?? "",
      `${hub.taskChannel}\r\n`,
      `task:${id.toLowerCase()}`,
      `tаsk:${id}`,
      "x".repeat(10_240),
      `task:${id}:tasks`,
      "task:",
      `project:${id}:tasks`,
    ]) {
      is((await client.refused("subscribe", { channel })).code, "unknown_channel", channel.slice(0, 60));
    }
    is((await client.refused("subscribe", { channel: ["a"] })).code, "bad_request");
    is((await client.refused("subscribe", { channel: 7 })).code, "bad_request");
  }));

test("a request without an ack is executed, and one whose ack is not the last argument is rejected", () =>
  withHub({}, async (hub) => {
    const client = await hub.connect(hub.serviceToken);
    const channel = hub.taskChannel;
    client.socket.emit("subscribe", { channel });
    client.socket.emit("nonsense", null, () => undefined);
    client.socket.emit("publish", { channel, type: "note", payload: 1 });
    await client.push("publications");
    ok(client.socket.connected);
  }));

test("a foreign channel and a missing one are rejected alike", () =>
  withHub({}, async (hub) => {
    const other = await hub.otherTenant();
    const client = await hub.connect(hub.userToken);
    const strip = ({ traceId: _, ...error }: { traceId: string }) => error;
    const missing = strip(await client.refused("subscribe", { channel: `workstation:ws_${"0".repeat(26)}` }));
    const foreign = strip(await client.refused("subscribe", { channel: `workstation:${other.workstationId}` }));
    equal(foreign, missing);
    is((missing as { code?: string }).code, "forbidden");
    equal(
      strip(await client.refused("rpc", { method: "workstations.get", params: { id: other.workstationId } })),
      strip(await client.refused("rpc", { method: "workstations.get", params: { id: `ws_${"0".repeat(26)}` } })),
    );
  }));

test("reserved types are for services only", () =>
  withHub({}, async (hub) => {
    const [user, service] = await hub.connectAll(hub.userToken, hub.serviceToken);
    for (const type of [
      "task:assign",
      "task:cancel",
      "task:reordered",
      "session:anything",
      "task:updated",
      "agent_session:created",
      "a:b:created",
      "a.b-c:deleted",
      "my:task:updated",
      ":".padStart(56, "x").concat("created"),
    ]) {
      is((await user.refused("publish", { channel: hub.taskChannel, type, payload: 1 })).code, "forbidden", type);
      await service.request("publish", { channel: hub.taskChannel, type, payload: 1 });
    }
  }));

test("handshakes with a wrong token, protocol or place for the token are rejected with the reason", () =>
  withHub({}, async (hub) => {
    const code = async (auth: object, options: object = {}) => {
      const client = new RawClient(hub.url, auth, options);
      const refusal = await client.welcomed().then(
        () => ({ code: "welcomed" }),
        (error: { code: string }) => error,
      );
      client.close();
      return refusal.code;
    };
    is(await code({}), "unauthenticated");
    is(await code({ token: 7 }), "unauthenticated");
    is(await code({ token: `wst_${"a".repeat(43)}` }), "unauthenticated");
    is(await code({ token: "svc_wrong" }), "unauthenticated");
    is(await code({ token: "x".repeat(9_000) }), "unauthenticated");
    is(await code({ token: "a.b.c" }), "unauthenticated");
    is(await code({ token: hub.serviceToken, protocol: 2 }), "unsupported_protocol");
    is(await code({ token: hub.serviceToken, protocol: 2, extra: 1 }), "unsupported_protocol");
    is(await code({ token: hub.serviceToken, protocol: 1, extra: 1 }), "bad_request");
    is(await code({ token: hub.serviceToken, client: 7 }), "bad_request");
    const { serviceToken: token } = hub;
    const names = ["token", "Token", "TOKEN", "access_token", "accessToken", "access-token", "auth", "Authorization"];
    for (const name of [...names, "jwt", "bearer", "api_key", "apiKey", "auth_token", "id_token", "pat", "secret"])
      is(await code({ token }, { query: { [name]: "x" } }), "bad_request", name);
    for (const value of [token, hub.userToken, hub.workstation.token, "pat_abcdefgh12345678", ["1", token]])
      is(await code({ token }, { query: { anything: value } }), "bad_request", String(value));
    is(await code({ token }, { query: { v: "1.2.3", tokens: "3", page: "a.b" } }), "welcomed");
    for (const client of ["a\0/1", "\ud800/1", "a/\udc00", "x/\ud83d"]) {
      is(await code({ token, client }), "bad_request", JSON.stringify(client));
      is(await code({ token, [client]: 1 }), "bad_request", JSON.stringify(client));
    }
    is(await code({ token, client: `a/${"😀".repeat(300)}` }), "welcomed");
    is(await code({}, { extraHeaders: { Authorization: `Bearer ${hub.serviceToken}` } }), "welcomed");
    is(
      await code({ token: hub.serviceToken }, { extraHeaders: { Origin: "https://evil.example" } }),
      undefined as never,
    );
    is(await code({ token: hub.serviceToken }, { extraHeaders: { Origin: hub.url } }), "welcomed");
  }));

test("a subscription over the limit is rejected, and rate limits state when to retry", () =>
  withHub({ env: { CHANNELS_PER_CONNECTION: "1", PUBLISHES_PER_SECOND: "5" } }, async (hub) => {
    const client = await hub.connect(hub.serviceToken);
    await client.request("subscribe", { channel: hub.taskChannel });
    is((await client.refused("subscribe", { channel: hub.projectChannel })).code, "too_many_channels");
    const publish = { channel: hub.taskChannel, type: "note", payload: 1 };
    const acks = await Promise.all(Array.from({ length: 12 }, () => client.ack("publish", publish)));
    const limited = acks.flatMap((ack) => (ack.ok ? [] : [ack.error]));
    ok(limited.length >= 6, `${limited.length} refused`);
    ok(limited.every(({ code, retryAfterMs }) => code === "rate_limited" && (retryAfterMs ?? 0) > 0));
    ok(client.socket.connected);
  }));

test("presence on a channel over the limit is not joined until another one is left", () =>
  withHub({ env: { CHANNELS_PER_CONNECTION: "1" } }, async (hub) => {
    const client = await hub.connect(hub.userToken);
    const other = `task_${ulid()}`;
    await hub.database.query(
      (sql) => sql`INSERT INTO tasks (id, project_id, title) VALUES (${other}, ${hub.projectId}, 'Another')`,
    );
    const [first, second] = [{ channel: hub.taskChannel }, { channel: `task:${other}` }];
    const acks = await Promise.all([first, second].map((join) => client.ack("presence.join", { ...join, meta: {} })));
    equal(
      acks.map((ack) => (ack.ok ? "ok" : ack.error.code)),
      ["ok", "too_many_channels"],
    );
    await client.request("presence.join", { ...first, meta: { again: true } });
    is((await client.refused("presence.join", { ...second, meta: {} })).code, "too_many_channels");
    await client.request("presence.leave", first);
    await client.request("presence.join", { ...second, meta: {} });
  }));

test("a long program name is cut between whole characters", () =>
  withHub({}, async (hub) => {
    const program = `x${"😀".repeat(200)}`;
    const client = new RawClient(hub.url, { token: hub.workstation.token, client: program });
    await client.welcomed();
    const service = await hub.connect(hub.serviceToken);
    const { items } = (await service.request("rpc", {
      method: "connections.list",
      params: { workstationId: hub.workstation.id },
    })) as { items: { client: string }[] };
    client.close();
    equal(
      items.map((item) => item.client),
      [`x${"😀".repeat(127)}`],
    );
  }));

test("ten times the rate ends the connection and affects no other", () =>
  withHub({ env: { REQUESTS_PER_SECOND: "20", PUBLISHES_PER_SECOND: "20", RPCS_PER_SECOND: "20" } }, async (hub) => {
    const [flood, other] = await hub.connectAll(hub.serviceToken, hub.userToken);
    for (let n = 0; n < 400; n += 1) flood.socket.emit("unsubscribe", { channel: hub.taskChannel });
    await until("the flood is ended", () => !flood.socket.connected);
    equal(
      flood.received("closing").map(([error]) => (error as { code: string }).code),
      ["rate_limited"],
    );
    await other.request("subscribe", { channel: hub.taskChannel });
  }));

test("binary, foreign namespaces and silence after opening end the connection", () =>
  withHub({ env: { REQUEST_TIMEOUT_MS: "500", DATABASE_TIMEOUT_MS: "500" } }, async (hub) => {
    const client = await hub.connect(hub.serviceToken);
    client.socket.emit("publish", { channel: hub.taskChannel, type: "note", payload: Buffer.from("binary") });
    await until("the binary sender is ended", () => !client.socket.connected);
    const wanderer = await openTransport(hub);
    for (let n = 0; n < 6; n += 1) wanderer.send(`40/other${n},{}`);
    await wanderer.closed;
    await (await openTransport(hub)).closed;
  }));

test("a packet that no client of this protocol sends ends the connection with the reason", () =>
  withHub({}, async (hub) => {
    const connect = `40${JSON.stringify({ token: hub.serviceToken })}`;
    const foreign = Array.from({ length: 6 }, (_, n) => `40/other${n},{}`);
    const cases = [['451-["publish",{"_placeholder":true,"num":0}]'], [Buffer.from("b")], foreign];
    const garbage = ["44{}", '42/other,["publish"]', "43{}", "4nonsense", '4"text"', "4", "4 ", "4-1", "4\0"];
    garbage.push("41x", "41{}", "41/other,x", "40/other,{", "40/other,5", "40/other,[]", "42/other", "429/", "42/,/");
    for (const packets of [...cases, ...garbage.map((packet) => [packet])]) {
      const transport = await openTransport(hub);
      transport.send(connect);
      await until("a welcome", () => transport.received.some((packet) => packet.includes('"welcome"')));
      for (const packet of packets) transport.send(packet);
      await transport.closed;
      const closings = transport.received.flatMap((packet) => /^42(\["closing".*)/.exec(packet)?.[1] ?? []);
      equal(
        closings.map((packet) => JSON.parse(packet)).map(([event, { code }]) => [event, code]),
        [["closing", "bad_request"]],
        String(packets),
      );
    }
  }));

test("packets not of the protocol leave one line in the log, for any number of packets and reconnects", async () => {
  const lines: { level: number; msg: string }[] = [];
  const log = pino({ level: "info" }, { write: (line: string) => void lines.push(JSON.parse(line)) });
  await withHub({ log }, async (hub) => {
    for (let visit = 0; visit < 5; visit += 1) {
      const transport = await RawTransport.connect(hub.url, hub.workstation.token);
      for (let packet = 0; packet < 40; packet += 1) transport.send("44{}");
      await transport.closed;
    }
    equal(lines.filter(({ level }) => level >= 40).length, 1);
  });
});

test("handshakes that fail because a dependency is unavailable leave one line in the log, for any number of them", async () => {
  const lines: { level: number; msg: string }[] = [];
  const log = pino({ level: "info" }, { write: (line: string) => void lines.push(JSON.parse(line)) });
  const issuer = "http://127.0.0.1:1";
  const parts = [
    { alg: "ES256", kid: "k" },
    { iss: issuer, aud: "web", sub: "ada", exp: 4_102_444_800 },
  ];
  const token = `${parts.map((part) => Buffer.from(JSON.stringify(part)).toString("base64url")).join(".")}.${"A".repeat(86)}`;
  await withHub({ log, env: { MONSTER_AUTH_ISSUER: issuer, DEVELOPMENT: "on" } }, async (hub) => {
    const refusals = await Promise.all(
      Array.from({ length: 10 }, async () => {
        const client = new RawClient(hub.url, { token });
        const refusal = await client.welcomed().then(
          () => ({ code: "welcomed" }),
          (error: { code: string }) => error,
        );
        client.close();
        return refusal.code;
      }),
    );
    equal(refusals, Array(10).fill("unavailable"));
    equal(
      lines.filter(({ level }) => level >= 50).map(({ msg }) => msg),
      ["handshake failed"],
    );
  });
});

test("packets that Socket.IO's parser rejects are ordinary requests", () =>
  withHub({ env: { REQUESTS_PER_SECOND: "20", PUBLISHES_PER_SECOND: "20", RPCS_PER_SECOND: "20" } }, async (hub) => {
    const transport = await openTransport(hub);
    transport.send(`40${JSON.stringify({ token: hub.serviceToken })}`);
    await until("a welcome", () => transport.received.some((packet) => packet.includes('"welcome"')));
    const reserved = ["disconnect", "disconnecting", "connect", "connect_error", "newListener", "removeListener"];
    const payloads = [...reserved.map((event) => `["${event}",{}]`), "[null]", "[]", "{}", '"text"', "[1", ""];
    const answers = () => transport.received.flatMap((packet) => /^43(\d+)\[(.*)\]$/.exec(packet)?.slice(1) ?? []);
    payloads.forEach((payload, id) => {
      transport.send(`42${id}${payload}`);
    });
    await until("all are answered", () => answers().length === 2 * payloads.length);
    for (const [index, answer] of answers().entries()) {
      if (index % 2 === 0) is(answer, String(index / 2));
      else is(JSON.parse(answer).error.code, "bad_request");
    }
    for (let n = 0; n < 400; n += 1) transport.send('42["disconnect"]');
    await transport.closed;
    ok(transport.received.some((packet) => packet.startsWith('42["closing"') && packet.includes("rate_limited")));
  }));

test("a reader that stops is ended as a slow consumer, the others continue, and it recovers afterwards", () =>
  withHub(
    { env: { OUTBOUND_BYTES: "65536", PUBLISHES_PER_SECOND: "5000", REQUESTS_PER_SECOND: "5000" } },
    async (hub) => {
      const channel = hub.taskChannel;
      const [slow, reader, publisher] = await hub.connectAll(hub.userToken, hub.userToken, hub.serviceToken);
      const start = await slow.request("subscribe", { channel });
      await reader.request("subscribe", { channel });
      slow.pauseReading();
      const payload = "x".repeat(60_000);
      let sent = 0;
      await until(
        "the hub ends the slow consumer",
        async () => {
          for (let n = 0; n < 20; n += 1, sent += 1)
            await publisher.request("publish", { channel, type: "big", payload });
          return hub.node.hub.connectionCount === 2;
        },
        15_000,
      );
      const received = () => reader.received("publications", channel).flatMap(([, list]) => list as unknown[]);
      await until("the other reader has everything", () => received().length === sent);
      slow.resumeReading();
      await until("it receives the reason", () => slow.last("closing") !== undefined || !slow.socket.connected);
      const back = await hub.connect(hub.userToken);
      const { recovered } = await back.request("subscribe", {
        channel,
        recover: { epoch: start.epoch, offset: sent - 5 },
      });
      is(recovered, true);
    },
  ));

test("HTTP bodies that are too slow, too large or no JSON are rejected", () =>
  withHub({}, async (hub) => {
    const call = (body: string, type = "application/json") =>
      fetch(`${hub.url}/v1/rpc/tasks.get`, {
        method: "POST",
        body,
        headers: { Authorization: `Bearer ${hub.serviceToken}`, "Content-Type": type },
      });
    equal(
      [
        (await call("[]")).status,
        (await call("{}", "text/plain")).status,
        (await call(`{"a":"${"x".repeat(1_100_000)}"}`)).status,
      ],
      [400, 400, 413],
    );
    is((await fetch(`${hub.url}/v1/rpc/tasks.get?token=${hub.serviceToken}`, { method: "POST" })).status, 400);
    is(
      (
        await fetch(`${hub.url}/v1/channels/%E0%A4%A/history`, {
          headers: { Authorization: `Bearer ${hub.serviceToken}` },
        })
      ).status,
      400,
    );
  }));

test.run();
