import { once } from "node:events";
import { type AddressInfo, connect, type Socket } from "node:net";
import { equal, is, ok } from "uvu/assert";
import { type WebSocket, WebSocketServer } from "ws";
import { FRAMES_OF_ALL_PER_TURN, FRAMES_PER_TURN, paceFrames } from "../../hub/socket/paced-frames.ts";
import { frame, UPGRADE } from "../../scripts/bench/attacks/raw-tcp.ts";
import { suite } from "../support/suite.ts";
import { until } from "../support/until.ts";

const test = suite("frames of one connection in one turn of the event loop");

interface Peer {
  served: WebSocket;
  /** Its meter: how many frames were parsed, and whether it was ended. */
  meter: { frames: number; ended: boolean; onFrame(): void };
}

/** A client's TCP connection and the paced WebSocket at its other end. */
async function withPeer(body: (peer: Peer) => Promise<void>): Promise<void> {
  const server = new WebSocketServer({ port: 0, host: "127.0.0.1" });
  await once(server, "listening");
  const client = connect((server.address() as AddressInfo).port, "127.0.0.1");
  try {
    client.write(UPGRADE);
    client.resume();
    const [served] = (await once(server, "connection")) as [WebSocket];
    const meter = {
      frames: 0,
      ended: false,
      onFrame: () => {
        meter.frames += 1;
      },
    };
    paceFrames(served, meter);
    await body({ served, meter });
  } finally {
    client.destroy();
    for (const one of server.clients) one.terminate();
    server.close();
  }
}

/** Counts calls, and the most of them in one turn of the event loop. */
function turnCounter(): { count(): void; total: number; most: number } {
  let inTurn = 0;
  const counter = {
    total: 0,
    most: 0,
    count() {
      if (inTurn === 0)
        setImmediate(() => {
          inTurn = 0;
        });
      inTurn += 1;
      counter.total += 1;
      counter.most = Math.max(counter.most, inTurn);
    },
  };
  return counter;
}

/** Handles a network chunk in one piece, as a busy event loop receives it. */
const deliver = (served: WebSocket, chunk: Buffer) =>
  (served as unknown as { _socket: Socket })._socket.emit("data", chunk);

for (const kind of ["ping", "pong"] as const)
  test(`ten thousand ${kind}s in one chunk take many turns, and the message behind them arrives`, () =>
    withPeer(async ({ served, meter }) => {
      const turns = turnCounter();
      served.on(kind, turns.count);
      const messages: string[] = [];
      served.on("message", (data) => messages.push(`${data} after ${turns.total}, ${served.readyState}`));
      deliver(served, Buffer.concat([...Array(10_000).fill(frame(kind, "")), frame("text", "behind")]));
      is(turns.total, FRAMES_PER_TURN);
      await until("all are parsed", () => messages.length === 1);
      equal(messages, [`behind after 10000, ${served.OPEN}`]);
      is(meter.frames, 10_001);
      ok(turns.most <= FRAMES_PER_TURN, `${turns.most} in one turn`);
    }));

test("a message in thousands of fragments is reassembled, with control frames between them", () =>
  withPeer(async ({ served }) => {
    const parts = Array.from({ length: 3_000 }, (_, index) => [
      frame(index === 0 ? "text" : "continuation", String(index % 10), index === 2_999),
      frame("ping", ""),
    ]).flat();
    const chunk = Buffer.concat(parts);
    deliver(served, chunk.subarray(0, 7_001));
    deliver(served, chunk.subarray(7_001));
    const [data] = (await once(served, "message")) as [Buffer];
    is(String(data), "0123456789".repeat(300));
  }));

test("each connection has its own limit of frames per turn", () =>
  withPeer((one) =>
    withPeer(async (other) => {
      const seen: string[] = [];
      one.served.on("ping", () => seen.push("one"));
      other.served.on("message", () => seen.push("other"));
      deliver(one.served, Buffer.concat(Array(1_000).fill(frame("ping", ""))));
      deliver(other.served, frame("text", "x"));
      is(seen.length, FRAMES_PER_TURN + 1);
      await until("all are parsed", () => seen.length === 1_001);
    }),
  ));

async function withPeers(count: number, body: (peers: Peer[]) => Promise<void>, peers: Peer[] = []): Promise<void> {
  if (peers.length === count) await body(peers);
  else await withPeer((peer) => withPeers(count, body, [...peers, peer]));
}

test("many connections that flood together share the frames of a turn, and each gets one at least", () =>
  withPeers(40, async (peers) => {
    const turns = turnCounter();
    const order: number[] = [];
    for (const [index, { served }] of peers.entries()) {
      served.on("ping", turns.count);
      served.on("message", () => order.push(index));
    }
    const chunk = Buffer.concat([...Array(FRAMES_PER_TURN * 2).fill(frame("ping", "")), frame("text", "behind")]);
    for (const { served } of peers) deliver(served, chunk);
    const full = FRAMES_OF_ALL_PER_TURN / FRAMES_PER_TURN;
    is(turns.total, FRAMES_OF_ALL_PER_TURN + peers.length - full);
    await until("all are parsed", () => order.length === peers.length);
    is(turns.total, peers.length * FRAMES_PER_TURN * 2);
    ok(turns.most <= FRAMES_OF_ALL_PER_TURN + peers.length, `${turns.most} in one turn`);
  }));

test("a chunk of a connection that the hub ended is not parsed further, and the connection closes once", () =>
  withPeer(async ({ served, meter }) => {
    const seen: string[] = [];
    served.on("close", () => seen.push("close"));
    served.on("message", () => seen.push("message"));
    deliver(served, Buffer.concat([...Array(10_000).fill(frame("ping", "")), frame("text", "behind")]));
    meter.ended = true;
    served.terminate();
    await until("it is closed", () => seen.length > 0);
    await new Promise((resolve) => setImmediate(resolve));
    equal(seen, ["close"]);
    is(meter.frames, FRAMES_PER_TURN);
  }));

test("a message that was received before the client hung up is delivered", () =>
  withPeer(async ({ served }) => {
    const messages: string[] = [];
    served.on("message", (data) => messages.push(String(data)));
    const all = Array.from({ length: 100 }, (_, index) => String(index));
    deliver(served, Buffer.concat(all.map((text) => frame("text", text))));
    (served as unknown as { _socket: Socket })._socket.emit("end");
    await once(served, "close");
    equal(messages, all);
  }));

test("a malformed frame behind many others ends the connection with its code", () =>
  withPeer(async ({ served }) => {
    const errors: string[] = [];
    served.on("error", (error) => errors.push((error as { code?: string }).code ?? ""));
    deliver(served, Buffer.concat([...Array(1_000).fill(frame("ping", "")), Buffer.from([0xf1, 0x80, 0, 0, 0, 0])]));
    served.on("close", () => errors.push("closed"));
    await until("the connection ends", () => errors.length === 2);
    equal(errors, ["WS_ERR_UNEXPECTED_RSV_2_3", "closed"]);
  }));

test.run();
