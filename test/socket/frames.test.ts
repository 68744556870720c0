import { once } from "node:events";
import { connect as connectTcp } from "node:net";
import { equal, is, ok } from "uvu/assert";
import { frame, UPGRADE } from "../../scripts/bench/attacks/raw-tcp.ts";
import { withHub } from "../support/hub.ts";
import { RawPolling, RawTransport } from "../support/raw-transport.ts";
import { suite } from "../support/suite.ts";
import { until } from "../support/until.ts";

const test = suite("frames");

const MIB = 1_048_576;
/** Almost the largest frame. */
const LARGE = 600_000;
const manyArguments = (id: number) => `42${id}["subscribe"${",1".repeat(65_000)}]`;

test("an event with 65,000 arguments is a bad request on WebSocket and polling, and the hub stays up", () =>
  withHub({}, async (hub) => {
    const other = await hub.connect(hub.userToken);
    const webSocket = await RawTransport.connect(hub.url, hub.workstation.token);
    webSocket.send(manyArguments(1));
    is((await webSocket.answer(1)).error?.code, "bad_request");
    const polling = await RawPolling.connect(hub.url, hub.workstation.token);
    is(await polling.post(manyArguments(2)), 200);
    ok((await polling.readUntil("432[")).includes('"bad_request"'));
    ok((await other.request("subscribe", { channel: hub.taskChannel })).epoch);
  }));

test("events that are not a name, an object and an acknowledgement are rejected, and their connection is kept", () =>
  withHub({ env: { BYTES_PER_SECOND: String(64 * MIB) } }, async (hub) => {
    const transport = await RawTransport.connect(hub.url, hub.serviceToken);
    const channel = JSON.stringify({ channel: hub.taskChannel });
    const events = [
      `["unsubscribe",${channel},${channel}]`,
      `["unsubscribe",${channel},null]`,
      `[${channel},"unsubscribe"]`,
      `["unsubscribe",[${channel}]]`,
      `["unsubscribe","${"x".repeat(LARGE)}"]`,
      `["unsubscribe",${"[".repeat(LARGE / 2)}${"]".repeat(LARGE / 2)}]`,
      `["unsubscribe",{"a":${'{"a":'.repeat(LARGE / 6)}1${"}".repeat(LARGE / 6)}}]`,
      `["unsubscribe",{${Array.from({ length: LARGE / 12 }, (_, n) => `"k${n}":1`).join()}}]`,
      `["unsubscribe",{"a":[${"1,".repeat(LARGE / 2)}1]}]`,
      `["unsubscribe",{"a":[${"[],".repeat(LARGE / 3)}1]}]`,
      `["unsubscribe",{"a":"${'\\"'.repeat(LARGE / 2)}"}]`,
      `["__proto__",${channel}]`,
      `["constructor",${channel}]`,
    ];
    for (const [id, event] of events.entries()) {
      transport.send(`42${id}${event}`);
      is((await transport.answer(id)).error?.code, "bad_request", event.slice(0, 60));
    }
    transport.send(`42${events.length}["unsubscribe",${channel}]`);
    is((await transport.answer(events.length)).ok, true);
  }));

test("a client that is not admitted yet is ended by a frame over 16 KiB, before the frame is read", () =>
  withHub({}, async (hub) => {
    const frames = [
      `40${JSON.stringify({ token: "x".repeat(20_000) })}`,
      `40${"[".repeat(3 * MIB)}`,
      `42["${"x".repeat(3 * MIB)}"]`,
    ];
    for (const frame of frames) {
      const transport = await RawTransport.open(hub.url);
      transport.send(frame);
      is(await transport.closed, 1009, frame.slice(0, 10));
    }
    for (const body of [...frames, "6\x1e".repeat(MIB)]) {
      const polling = await RawPolling.open(hub.url);
      is(await polling.post(body), 413, body.slice(0, 10));
    }
    const small = await RawTransport.open(hub.url);
    small.send(`40${JSON.stringify({ token: hub.serviceToken, client: "x".repeat(15_000) })}`);
    await small.welcomed();
  }));

test("a message may have 1,024 fragments, empty ones included; the next one ends the transport, before and after CONNECT", () =>
  withHub({}, async (hub) => {
    const event = `421["unsubscribe",{"channel":"${hub.taskChannel}"}]`;
    const [first, ...rest] = event;
    const padded = (fragments: number) => [first ?? "", ...Array(fragments - rest.length - 1).fill(""), ...rest];
    const transport = await RawTransport.connect(hub.url, hub.serviceToken);
    for (let message = 0; message < 2; message += 1) {
      transport.received.length = 0;
      transport.sendFragments(padded(1_024), true);
      is((await transport.answer(1)).ok, true);
    }
    transport.sendFragments(padded(1_025), false);
    is(await transport.closed, 1008);
    const anonymous = await RawTransport.open(hub.url);
    anonymous.sendFragments(padded(1_025), false);
    is(await anonymous.closed, 1008);
  }));

test("a client that is not admitted yet may send a handful of packets", () =>
  withHub({}, async (hub) => {
    for (const packet of ["6", "3", "40/other,"]) {
      const polling = await RawPolling.open(hub.url);
      await polling.post(Array.from({ length: 9 }, () => packet).join("\x1e"));
      ok((await polling.readUntil("44{")).includes('"bad_request"'), packet);
      await until(`the session of ${packet} is over`, async () => (await polling.post("6")) === 400);
      const transport = await RawTransport.open(hub.url);
      for (let n = 0; n < 9; n += 1) transport.send(packet);
      await transport.closed;
    }
    is(hub.node.hub.transportCount, 0);
  }));

test("a client that is not admitted in time receives the reason", () =>
  withHub({ env: { REQUEST_TIMEOUT_MS: "500", DATABASE_TIMEOUT_MS: "500" } }, async (hub) => {
    const transport = await RawTransport.open(hub.url);
    await transport.closed;
    const refusal = transport.received.find((packet) => packet.startsWith("44")) ?? "";
    is(JSON.parse(refusal.slice(2)).data.code, "timeout");
  }));

test("a polling request with more packets than allowed ends its session, and none of it is executed", () =>
  withHub({}, async (hub) => {
    const reader = await hub.connect(hub.userToken);
    await reader.request("subscribe", { channel: hub.taskChannel });
    const polling = await RawPolling.connect(hub.url, hub.serviceToken);
    const publish = `42["publish",{"channel":"${hub.taskChannel}","type":"note","payload":1,"ephemeral":true}]`;
    await polling.post(Array.from({ length: 1_025 }, () => publish).join("\x1e"));
    ok((await polling.readUntil('42["closing"')).includes('"bad_request"'));
    equal(reader.received("publications"), []);
  }));

test("all packets of one chunk are executed, in order, however many there are", () =>
  withHub({ env: { PUBLISHES_PER_SECOND: "5000", REQUESTS_PER_SECOND: "5000" } }, async (hub) => {
    const reader = await hub.connect(hub.userToken);
    await reader.request("subscribe", { channel: hub.taskChannel });
    const transport = await RawTransport.connect(hub.url, hub.serviceToken);
    const publish = (n: number) => `42["publish",{"channel":"${hub.taskChannel}","type":"note","payload":${n}}]`;
    for (let n = 0; n < 1_000; n += 1) transport.send(publish(n));
    const payloads = () =>
      reader
        .received("publications")
        .flatMap(([, publications]) => (publications as { payload: number }[]).map(({ payload }) => payload));
    await until("all have arrived", () => payloads().length === 1_000);
    equal(
      payloads(),
      Array.from({ length: 1_000 }, (_, n) => n),
    );
  }));

for (const transport of ["WebSocket", "polling"] as const)
  test(`publications of a client that closes right behind them are all published: ${transport}`, () =>
    withHub({ env: { PUBLISHES_PER_SECOND: "1000", REQUESTS_PER_SECOND: "1000" } }, async (hub) => {
      const subscriber = await hub.connect(hub.serviceToken);
      await subscriber.request("subscribe", { channel: hub.taskChannel });
      const packets = Array.from(
        { length: 300 },
        (_, payload) => `42${JSON.stringify(["publish", { channel: hub.taskChannel, type: "note", payload }])}`,
      );
      if (transport === "WebSocket") {
        const client = await RawTransport.connect(hub.url, hub.serviceToken);
        for (const packet of packets) client.send(packet);
        client.webSocket.close();
      } else {
        const client = await RawPolling.connect(hub.url, hub.serviceToken);
        await client.post([...packets, "1"].join("\x1e"));
      }
      const payloads = () =>
        subscriber
          .received("publications", hub.taskChannel)
          .flatMap(([, list]) => list as { payload: unknown }[])
          .map(({ payload }) => payload);
      await until("the last one is published", () => payloads().at(-1) === 299);
      equal(
        payloads(),
        packets.map((_, index) => index),
      );
    }));

test("an upgrade request that brings frames along is cut", () =>
  withHub({}, async (hub) => {
    const { hostname, port } = new URL(hub.url);
    const socket = connectTcp(Number(port), hostname);
    socket.write(Buffer.concat([Buffer.from(UPGRADE), ...Array(100).fill(frame("ping", ""))]));
    socket.resume();
    await once(socket, "close");
    is(hub.node.hub.transportCount, 0);
  }));

test("beyond its byte budget a connection is read slowly, and is ended after ten seconds; others are answered in the meantime", () =>
  withHub({ env: { BYTES_PER_SECOND: "262144", RPC_BYTES: "262144", MESSAGE_BYTES: "65536" } }, async (hub) => {
    const other = await hub.connect(hub.userToken);
    const transport = await RawTransport.connect(hub.url, hub.workstation.token);
    const startedAt = performance.now();
    const flood = setInterval(() => {
      if (transport.webSocket.bufferedAmount < 4 * MIB)
        transport.send(`42["unsubscribe",{"x":"${"x".repeat(100_000)}"}]`);
    }, 20);
    let ended = false;
    void transport.closed.then(() => {
      ended = true;
    });
    let answered = 0;
    await until(
      "the flood is ended",
      async () => {
        await other.request("unsubscribe", { channel: hub.taskChannel });
        answered += 1;
        return ended;
      },
      30_000,
    ).finally(() => clearInterval(flood));
    ok(performance.now() - startedAt > 9_000, "it had its ten seconds");
    ok(answered > 100, `the other was answered ${answered} times in the meantime`);
    const [[error] = []] = transport.pushes("closing") as { code: string }[][];
    is(error?.code, "rate_limited");
  }));

test("a peer that ignores the end of its connection is cut after five seconds, not more", () =>
  withHub({}, async (hub) => {
    const transport = await RawTransport.connect(hub.url, hub.serviceToken);
    transport.webSocket.pause();
    const startedAt = performance.now();
    transport.send("43[]");
    await until("the hub has cut its socket", () => hub.node.hub.tcpSocketCount === 0, 15_000);
    const tookMs = performance.now() - startedAt;
    ok(tookMs > 4_000 && tookMs < 12_000, `${tookMs} ms`);
    transport.webSocket.resume();
    await transport.closed;
  }));

test("a peer that resets its connection after a rejected upgrade, or never closes it, leaves nothing in the hub", () =>
  withHub({ env: { FAILED_HANDSHAKES_PER_SECOND: "1" } }, async (hub) => {
    for (let failure = 0; failure < 12; failure += 1) {
      const transport = await RawTransport.open(hub.url).catch(() => null);
      transport?.send('40{"token":"wst_wrong"}');
      await transport?.closed;
    }
    const { hostname, port } = new URL(hub.url);
    const upgrade = [
      "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1",
      "Host: hub",
      "Upgrade: websocket",
      "Connection: Upgrade",
      "Sec-WebSocket-Version: 13",
      "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
    ];
    const sockets = await Promise.all(
      Array.from({ length: 20 }, async (_, n) => {
        const socket = connectTcp({ host: hostname, port: Number(port), allowHalfOpen: true });
        socket.on("error", () => undefined);
        await once(socket, "connect");
        socket.write(`${upgrade.join("\r\n")}\r\n\r\n`);
        if (n % 2 === 0) socket.resetAndDestroy();
        return socket;
      }),
    );
    await until("the hub holds none of them", () => hub.node.hub.tcpSocketCount === 0);
    is((await fetch(`${hub.url}/healthz`)).status, 200);
    for (const socket of sockets) socket.destroy();
  }));

test("an address that fails too many handshakes is rejected for a while, and other addresses are not", () =>
  withHub({ env: { FAILED_HANDSHAKES_PER_SECOND: "1" } }, async (hub) => {
    const stay = await hub.connect(hub.userToken);
    const from = (localAddress: string) => RawTransport.open(hub.url, { localAddress });
    for (let failure = 0; failure < 10; failure += 1) {
      const transport = await from("127.0.0.7");
      transport.send('40{"token":"wst_wrong"}');
      await transport.closed;
    }
    const refusals = await Promise.allSettled(Array.from({ length: 5 }, () => from("127.0.0.7")));
    ok(refusals.some((refusal) => refusal.status === "rejected" && refusal.reason.statusCode === 429));
    const elsewhere = await from("127.0.0.8");
    elsewhere.send(`40${JSON.stringify({ token: hub.serviceToken })}`);
    await elsewhere.welcomed();
    ok((await stay.request("subscribe", { channel: hub.taskChannel })).epoch);
    await until("the address is admitted again", async () => (await from("127.0.0.7").catch(() => null)) !== null);
  }));

test.run();
