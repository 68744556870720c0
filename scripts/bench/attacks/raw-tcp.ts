import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { eventOr, type Striker } from "./attack.ts";
import { connectPacket, SOCKET_PATH, sawIn } from "./raw-peer.ts";

const [MASKED, FINAL] = [0x80, 0x80];
const OPCODES = { continuation: 0, text: 1, ping: 9, pong: 10 } as const;

export const UPGRADE = [
  `GET ${SOCKET_PATH}&transport=websocket HTTP/1.1`,
  "Host: hub",
  "Connection: Upgrade",
  "Upgrade: websocket",
  "Sec-WebSocket-Version: 13",
  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
  "\r\n",
].join("\r\n");

/** Runs `body` with a bare TCP connection, and cuts it afterwards. */
export async function onTcp(striker: Striker, body: (socket: Socket) => Promise<void>): Promise<void> {
  const { hostname, port } = new URL(striker.url);
  const socket = connect({ host: hostname, port: Number(port), localAddress: striker.localAddress });
  // The close event reports the error.
  socket.on("error", () => undefined);
  socket.on("data", (chunk) => {
    const text = chunk.toString("latin1");
    const [, status] = /^HTTP\/1\.1 (\d+)/.exec(text) ?? [];
    if (status !== undefined) striker.saw(`status ${status}`);
    sawIn(striker, text);
  });
  socket.on("end", () => striker.saw("ended"));
  socket.on("connect", () => striker.saw("opened"));
  try {
    await Promise.race([once(socket, "connect"), once(socket, "close")]);
    await body(socket);
  } finally {
    socket.destroy();
  }
}

/** Runs `body` with a WebSocket, written frame by frame, after its CONNECT. */
export function onFrames(striker: Striker, token: string, body: (socket: Socket) => Promise<void>): Promise<void> {
  return onTcp(striker, async (socket) => {
    socket.write(UPGRADE);
    await eventOr(socket, "data", 1_000);
    const answered = eventOr(socket, "data", 1_000);
    socket.write(frame("text", connectPacket(token)));
    await answered;
    await body(socket);
  });
}

/** A frame of less than 64 KiB, masked with zeros as clients may. */
export function frame(kind: keyof typeof OPCODES, payload: string, final = true): Buffer {
  const bytes = Buffer.from(payload);
  const size = bytes.length < 126 ? [bytes.length] : [126, bytes.length >> 8, bytes.length & 0xff];
  const [length = 0, ...rest] = size;
  const head = [OPCODES[kind] | (final ? FINAL : 0), MASKED | length, ...rest, 0, 0, 0, 0];
  return Buffer.concat([Buffer.from(head), bytes]);
}

/** Writes the same frames `count` times as fast as the hub reads them, for at most `limitMs`. Each frame counts as sent. */
export async function flood(
  striker: Striker,
  socket: Socket,
  { frames, count, limitMs }: { frames: Buffer; count: number; limitMs: number },
): Promise<void> {
  const deadline = performance.now() + limitMs;
  const block = Buffer.concat(Array.from({ length: 1_000 }, () => frames));
  for (let written = 0; written < count && !socket.destroyed && performance.now() < deadline; written += 1_000) {
    if (!socket.write(block)) await eventOr(socket, "drain", Math.max(1, deadline - performance.now()));
    if (socket.writableLength === 0) striker.saw("sent", 1_000);
  }
}
