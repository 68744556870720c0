import type { Server as HttpServer } from "node:http";
import type { Socket as TcpSocket } from "node:net";
import { Server, type ServerOptions, type Socket } from "socket.io";
import type { Logger } from "../kernel/log.ts";
import { AnonymousConnections } from "./anonymous-connections.ts";
import { parser } from "./decoder.ts";
import { MeteredEngine } from "./engine.ts";
import type { FailedHandshakes } from "./failed-handshakes.ts";
import type { Refusal } from "./handshake.ts";
import type { IntakeLimits } from "./intake.ts";
import type { OriginPolicy } from "./origin-policy.ts";
import { type EngineConnection, endTransport } from "./outbound.ts";
import { paceUpgrades } from "./upgrade-queue.ts";

export interface SocketServerOptions {
  limits: IntakeLimits;
  /** Handshakes that ended without a principal, by network. */
  failures: FailedHandshakes;
  times: { pingIntervalMs: number; pingTimeoutMs: number; requestTimeoutMs: number };
  /** Whether clients may use long-polling, whose requests must all reach this node. */
  polling: boolean;
  /** The path that Socket.IO serves, without a slash at its end. */
  socketPath: string;
  /** Creates the adapter through which nodes query each other; null: there is no other node. */
  adapter: NonNullable<ServerOptions["adapter"]> | null;
  origins: OriginPolicy;
  log: Logger;
  /** Admits a client, or rejects with the error. */
  admit(socket: Socket): Promise<void>;
  /** A client was admitted. */
  onConnected(socket: Socket): void;
}

/** How long peers have to answer the end of their connections when the server closes. */
const CLOSE_LIMIT_MS = 1_000;

/** Socket.IO on an engine that meters clients' data: from the TCP connection to the admitted client. */
export class SocketServer {
  readonly io: Server;
  readonly #engine: MeteredEngine;
  readonly #anonymous: AnonymousConnections;
  readonly #socketPath: string;
  readonly #tcpSockets = new Set<TcpSocket>();
  #httpServer: HttpServer | null = null;

  constructor(options: SocketServerOptions) {
    const { times } = options;
    this.#anonymous = new AnonymousConnections(options.failures, times.requestTimeoutMs);
    this.#socketPath = options.socketPath;
    this.#engine = createEngine(options, this.#anonymous);
    this.io = new Server({
      serveClient: false,
      ...(options.adapter && { adapter: options.adapter }),
      // Anonymous connections have a deadline already, and receive the reason.
      connectTimeout: times.requestTimeoutMs * 2,
      parser,
    });
    this.io.bind(this.#engine);
    this.io.use((socket, next) => this.#admit(socket, next, options.admit));
    this.io.on("connection", (socket) => this.#connected(socket, options));
  }

  /** The transports of all clients, including those not yet admitted. */
  get transportCount(): number {
    return this.#engine.clientsCount;
  }

  /** The open TCP connections, including those of HTTP calls. */
  get tcpSocketCount(): number {
    return this.#tcpSockets.size;
  }

  /** Serves Socket.IO on this HTTP server, beside the handlers that it already has. */
  attach(server: HttpServer): void {
    this.#httpServer = server;
    this.#engine.attach(server, { path: this.#socketPath });
    paceUpgrades(server, this.#socketPath);
    const tcpSockets = this.#tcpSockets;
    function forget(this: TcpSocket): void {
      tcpSockets.delete(this);
    }
    // One listener for all: a closure for each would use memory as long as its connection.
    server.on("connection", (socket) => {
      // A connection is reported once more when an upgrade is rejected.
      if (tcpSockets.has(socket)) return;
      tcpSockets.add(socket);
      socket.on("close", forget);
    });
  }

  /** Closes the HTTP server and every connection, within a second even if peers don't answer. */
  async close(): Promise<void> {
    // A frozen peer would keep its socket, and so the server, for half a minute.
    const cut = setTimeout(() => {
      for (const socket of this.#tcpSockets) socket.destroy();
    }, CLOSE_LIMIT_MS);
    this.#anonymous.close();
    await this.io.close();
    await closeServer(this.#httpServer);
    clearTimeout(cut);
  }

  /** An exception here ends only this connection: Socket.IO calls back in a turn without another handler. */
  #connected(socket: Socket, { onConnected, log }: SocketServerOptions): void {
    this.#anonymous.letIn(socket.conn);
    try {
      onConnected(socket);
    } catch (error) {
      log.error({ err: error, connectionId: socket.id }, "a client could not be admitted");
      endTransport(socket.conn);
    }
  }

  #admit(socket: Socket, next: (refusal?: Refusal) => void, admit: SocketServerOptions["admit"]): void {
    this.#anonymous.sentConnect(socket.conn);
    admit(socket).then(
      () => next(),
      (refusal: Refusal) => {
        this.#anonymous.refused(socket.conn, refusal.data);
        next(refusal);
        // After Socket.IO has sent the rejection.
        setImmediate(() => endTransport(socket.conn));
      },
    );
  }
}

function createEngine(options: SocketServerOptions, anonymous: AnonymousConnections): MeteredEngine {
  const { limits, times, origins, polling, log } = options;
  const engine = new MeteredEngine(
    {
      transports: polling ? ["websocket", "polling"] : ["websocket"],
      pingInterval: times.pingIntervalMs,
      pingTimeout: times.pingTimeoutMs,
      perMessageDeflate: false,
      httpCompression: false,
      cors: { origin: (origin, callback) => callback(null, origins.allowed(origin)) },
      allowRequest: (request, callback) => {
        const refusal = origins.refuses(request);
        callback(refusal, refusal === null);
      },
    },
    {
      policy: {
        limits,
        refuse: (connection, error) => anonymous.refuse(connection, error),
        report: (error, connectionId) => log.error({ err: error, connectionId }, "a packet caused an exception"),
      },
      refusedForMs: (request) => anonymous.refusedForMs(request),
    },
  );
  engine.on("connection", (connection: EngineConnection) => anonymous.connected(connection));
  return engine;
}

/** Resolves when the server has closed; immediately if it does not listen. */
function closeServer(server: HttpServer | null): Promise<void> {
  return new Promise((resolve) => {
    if (server?.listening) server.close(() => resolve());
    else resolve();
  });
}
