import {
  type ServerOptions as EngineOptions,
  Server as EngineServer,
  type ErrorCallback,
  type Transport,
} from "engine.io";
import { type ServerOptions as WebSocketOptions, WebSocketServer } from "ws";
import { ANONYMOUS_FRAME_BYTES, Intake, type IntakePolicy } from "./intake.ts";
import { CLOSE_TIMEOUT_MS, type EngineConnection } from "./outbound.ts";
import { type EngineRequest, type Metered, MeteredWebSocket, meteredPolling } from "./transports.ts";

/** The intake of a connection of a `MeteredEngine`. All transports of a connection share it. */
export function intakeOf({ transport }: EngineConnection): Intake {
  const { intake } = transport as Transport & Partial<Metered>;
  if (!intake) throw new Error("This connection has no intake: it belongs to another engine.");
  return intake;
}

/** Fragments of one message that ws keeps until the last one arrives: each costs memory beyond its bytes. */
const MAX_FRAGMENTS = 1_024;

/** WebSockets that read only small frames until their intake allows larger ones. */
class CautiousWebSocketServer extends WebSocketServer {
  constructor(options: WebSocketOptions) {
    const more = { closeTimeout: CLOSE_TIMEOUT_MS, maxPayload: ANONYMOUS_FRAME_BYTES, maxFragments: MAX_FRAGMENTS };
    super({ ...options, ...more });
  }
}

export interface MeteredEngineOptions {
  policy: IntakePolicy;
  /** For how many milliseconds new connections of this request's client are rejected; 0: they are not. */
  refusedForMs(request: EngineRequest): number;
}

/** An Engine.IO server that reads each of its connections through an intake. */
export class MeteredEngine extends EngineServer {
  readonly #options: MeteredEngineOptions;

  constructor(engineOptions: EngineOptions, options: MeteredEngineOptions) {
    super({ ...engineOptions, wsEngine: CautiousWebSocketServer, maxHttpBufferSize: options.policy.limits.frameBytes });
    this.#options = options;
    // The first listener, so that a connection's data is metered before anything reads it.
    this.on("connection", (engine: EngineConnection) => intakeOf(engine).belongsTo(engine));
  }

  override handleUpgrade(...[request, socket, head]: Parameters<EngineServer["handleUpgrade"]>): void {
    const earlier = new Set(socket.rawListeners("close"));
    super.handleUpgrade(request, socket, head);
    // Engine.IO's substitute for a response, which is for middlewares, would hold the request until the socket closes.
    const ofResponse = socket.rawListeners("close").find((listener) => !earlier.has(listener));
    if (ofResponse) socket.off("close", ofResponse as () => void);
  }

  protected override createTransport(...[name, request]: Parameters<EngineServer["createTransport"]>): Transport {
    const engineRequest = request as EngineRequest;
    const known: EngineConnection | undefined = this.clients[engineRequest._query.sid ?? ""];
    const intake = known ? intakeOf(known) : new Intake(this.#options.policy);
    return name === "websocket" ? new MeteredWebSocket(engineRequest, intake) : meteredPolling(engineRequest, intake);
  }

  protected override verify(request: EngineRequest, upgrade: boolean, done: ErrorCallback): void {
    const refusedForMs = request._query.sid ? 0 : this.#options.refusedForMs(request);
    // JSONP serves browsers without CORS, by forms.
    if (request._query.j !== undefined) done(EngineServer.errors.UNKNOWN_TRANSPORT, { name: "JSONP" });
    else if (refusedForMs > 0) refuse(request, refusedForMs);
    else super.verify(request, upgrade, done);
  }
}

/** Answers a rejected handshake, by polling or an upgrade, before there is a connection. */
function refuse({ res: response, socket }: EngineRequest, retryAfterMs: number): void {
  const headers = { "Retry-After": String(Math.ceil(retryAfterMs / 1_000)), "Content-Length": "0" };
  if (response) {
    response.writeHead(429, headers).end();
    return;
  }
  // Node and Engine.IO have removed their listeners: a peer that resets the socket would end the process.
  socket.on("error", () => socket.destroy());
  const lines = Object.entries({ ...headers, Connection: "close" }).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.end(`HTTP/1.1 429 Too Many Requests\r\n${lines.join("")}\r\n`, () => socket.destroy());
}
