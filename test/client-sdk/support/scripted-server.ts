import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { Server, type Socket } from "socket.io";
import type { Ack, ErrorObject, Publication, Pushes, Welcome } from "../../../client-sdk/protocol/index.ts";

type Answer = Ack<unknown> | "never";
type Script = (request: { argument: Record<string, unknown>; socket: Socket; count: number }) => Answer;

/** A received request with the number of its connection, counted from 1. */
export interface Seen {
  connection: number;
  name: string;
  argument: Record<string, unknown>;
}

/**
 * A Socket.IO server that answers each request according to a script, so that a test controls lost answers, gaps and
 * drains. It stores no channels.
 */
export interface ScriptedServer {
  url: string;
  seen: Seen[];
  /** The handshakes' `auth`, including refused ones. */
  handshakes: Record<string, unknown>[];
  /** The newest connection. */
  socket(): Socket;
  push<Name extends keyof Pushes>(name: Name, ...args: Pushes[Name]): void;
  /** Pushes `closing`, then ends the newest connection like the hub. */
  endWith(error: ErrorObject): void;
  /** Cuts the newest connection without a packet. */
  cut(): void;
  seenOf(name: string): Seen[];
  close(): Promise<void>;
}

export interface ScriptedServerOptions {
  script?: Record<string, Script>;
  refuse?: (auth: Record<string, unknown>, attempt: number) => ErrorObject | null;
  /** Sends no welcome, like a hub that is paused after the handshake. */
  silent?: (attempt: number) => boolean;
}

export const CHANNEL = "task:task_01ARZ3NDEKTSV4RRFFQ69G5FAV";
export const ok = (data: unknown): Ack<unknown> => ({ ok: true, data });
export const refused = (code: string, temporary: boolean, more: Partial<ErrorObject> = {}): Ack<never> => ({
  ok: false,
  error: errorObject(code, temporary, more),
});
export const errorObject = (code: string, temporary: boolean, more: Partial<ErrorObject> = {}): ErrorObject => ({
  code,
  message: `refused with ${code}`,
  temporary,
  traceId: "trace-1",
  ...more,
});
export const publication = (offset: number, more: Partial<Publication> = {}): Publication => ({
  offset,
  id: `id-${offset}`,
  type: "note",
  payload: { offset },
  at: 1,
  from: null,
  ...more,
});
/** The reply to a subscribe; recovered with the publications of these offsets. */
export const subscribed = (offset: number, offsets: number[] = [], recovered = false, epoch = "e1") =>
  ok({ channel: CHANNEL, epoch, offset, recovered, publications: offsets.map((o) => publication(o)), presence: null });

/** Runs `body` against a scripted server on a free loopback port and closes it afterwards. */
export async function withScriptedServer(
  options: ScriptedServerOptions,
  body: (server: ScriptedServer) => Promise<void>,
): Promise<void> {
  const server = await startScriptedServer(options);
  try {
    await body(server);
  } finally {
    await server.close();
  }
}

export async function startScriptedServer(options: ScriptedServerOptions = {}): Promise<ScriptedServer> {
  const http = createServer();
  const io = new Server(http, { transports: ["websocket", "polling"] });
  const seen: Seen[] = [];
  const handshakes: Record<string, unknown>[] = [];
  const sockets: Socket[] = [];
  const newest = () => {
    const socket = sockets.at(-1);
    if (!socket) throw new Error("no client has connected yet");
    return socket;
  };
  io.use((socket, next) => {
    handshakes.push(socket.handshake.auth);
    const error = options.refuse?.(socket.handshake.auth, handshakes.length);
    next(error ? Object.assign(new Error(error.message), { data: error }) : undefined);
  });
  io.on("connection", (socket) => {
    sockets.push(socket);
    const connection = sockets.length;
    if (!options.silent?.(connection)) socket.emit("welcome", welcome(connection));
    socket.onAny((name: string, argument: Record<string, unknown>, acknowledge: (answer: unknown) => void) => {
      seen.push({ connection, name, argument });
      const count = seen.filter((other) => other.name === name).length;
      const answer = options.script?.[name]?.({ argument, socket, count }) ?? ok({});
      if (answer !== "never") acknowledge(answer);
    });
  });
  await new Promise<void>((resolve) => http.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(http.address() as AddressInfo).port}`,
    seen,
    handshakes,
    socket: newest,
    push: (name, ...args) => void newest().emit(name, ...args),
    endWith: (error) => {
      newest().emit("closing", error);
      newest().conn.close();
    },
    cut: () => newest().conn.close(),
    seenOf: (name) => seen.filter((request) => request.name === name),
    close: async () => {
      await io.close();
    },
  };
}

function welcome(connection: number): Welcome {
  return {
    protocol: 1,
    connectionId: `connection-${connection}`,
    nodeId: "scripted",
    serverTime: Date.now(),
    expiresInMs: null,
    principal: { kind: "service", id: "scripted", organizationIds: [] },
    limits: {
      messageBytes: 65_536,
      metaBytes: 8_192,
      recoveryBytes: 1_048_576,
      channelsPerConnection: 128,
      publishesPerSecond: 1_000,
      rpcsPerSecond: 1_000,
      requestsPerSecond: 1_000,
      frameBytes: 655_360,
      packetsPerPost: 1_024,
      bytesPerSecond: 1_048_576,
      principal: {
        publishesPerSecond: 1_000,
        rpcsPerSecond: 500,
        requestsPerSecond: 2_500,
        rpcsInFlight: 32,
        bytesPerSecond: 5_242_880,
      },
    },
  };
}
