import type { IncomingMessage, ServerResponse } from "node:http";
import { type Transport, transports } from "engine.io";
import type { WebSocket } from "ws";
import { badRequest, HubError } from "../kernel/errors.ts";
import type { Intake } from "./intake.ts";
import { CLOSE_TIMEOUT_MS } from "./outbound.ts";
import { type FrameMeter, paceFrames } from "./paced-frames.ts";
import type { PacketSource } from "./reading.ts";

/** A request as Engine.IO passes it on, with its parsed query and, for a WebSocket, the upgraded socket. */
export type EngineRequest = ConstructorParameters<typeof transports.websocket>[0];
type Packet = Parameters<Transport["send"]>[0][number];

/** Engine.IO's separator of packets in a polling request. */
const SEPARATOR = "\x1e";

/** Fields of ws outside of its types. */
interface WebSocketInside {
  _receiver?: { _maxPayload: number };
}

/** A transport that is read through an intake. */
export interface Metered {
  readonly intake: Intake;
}

/** A TCP socket or a WebSocket, with the intake of its connection. A symbol as the key would make it a slow object. */
interface MeteredSocket {
  connectionIntake?: Intake;
}

/** One listener for all connections: a closure for each would use memory as long as its connection. */
function meter(this: MeteredSocket, chunk: Buffer): void {
  this.connectionIntake?.spend(chunk.byteLength);
}

/**
 * Engine.IO's WebSocket transport behind an intake. Bytes count as they arrive from the network, and each frame costs what a
 * packet does, so that control frames and fragments count too. Reading pauses between two chunks.
 */
export class MeteredWebSocket extends transports.websocket implements PacketSource, Metered, FrameMeter {
  readonly intake: Intake;
  readonly #webSocket: WebSocket | undefined;

  constructor(request: EngineRequest, intake: Intake) {
    super(request);
    this.intake = intake;
    this.#webSocket = request.websocket;
    intake.readsFrom(this);
    (request.socket as MeteredSocket).connectionIntake = intake;
    request.socket.on("data", meter);
    if (this.#webSocket) paceFrames(this.#webSocket, this);
  }

  get ended(): boolean {
    return this.intake.violated;
  }

  onFrame(): void {
    this.intake.spendPacket();
  }

  protected override onPacket(packet: Packet): void {
    this.intake.take(this, packet);
  }

  /** The packets of a client that closes are handled first. */
  protected override onClose(): void {
    this.intake.whenHandled(() => {
      this.intake.readsNoLonger(this);
      super.onClose();
    });
  }

  deliver(packet: unknown): void {
    super.onPacket(packet as Packet);
  }

  pause(): void {
    this.#webSocket?.pause();
  }

  resume(): void {
    this.#webSocket?.resume();
  }

  limitFrames(bytes: number): void {
    const { _receiver: receiver } = (this.#webSocket ?? {}) as WebSocketInside;
    if (receiver) receiver._maxPayload = bytes;
  }
}

/** Fields of Engine.IO's polling transport outside of its types. */
interface PollingInside {
  maxHttpBufferSize: number;
  closeTimeout: number;
  readyState: string;
  onPacket(packet: unknown): void;
  onClose(): void;
  onData(body: string): void;
  onDataRequest(request: IncomingMessage, response: ServerResponse): void;
  onError(message: string): void;
  once(event: "close", listener: () => void): void;
}

/** Engine.IO's polling transport behind an intake. Engine.IO creates it with a function, so its methods are wrapped. */
export function meteredPolling(request: EngineRequest, intake: Intake): Transport {
  const transport = transports.polling(request);
  intake.readsFrom(new PollingSource(transport as unknown as PollingInside, intake));
  return Object.assign(transport, { intake } satisfies Metered);
}

class PollingSource implements PacketSource {
  readonly #inside: PollingInside;
  readonly #deliver: (packet: unknown) => void;
  #paused = false;
  /** Reads the body of the request that arrived during the pause. */
  #parked: (() => void) | null = null;

  constructor(inside: PollingInside, intake: Intake) {
    this.#inside = inside;
    inside.closeTimeout = CLOSE_TIMEOUT_MS;
    this.#deliver = inside.onPacket.bind(inside);
    const onData = inside.onData.bind(inside);
    const onDataRequest = inside.onDataRequest.bind(inside);
    inside.onPacket = (packet) => {
      intake.spendPacket();
      intake.take(this, packet);
    };
    const onClose = inside.onClose.bind(inside);
    inside.onClose = () =>
      intake.whenHandled(() => {
        intake.readsNoLonger(this);
        onClose();
      });
    inside.once("close", () => this.#parked?.());
    inside.onData = (body) => {
      if (countPackets(body, intake.packetsPerPost) <= intake.packetsPerPost) onData(body);
      else intake.violate(tooManyPackets(intake.packetsPerPost));
    };
    inside.onDataRequest = (posted, response) => {
      const read = () => {
        this.#parked = null;
        if (posted.destroyed) return inside.onError("data request connection closed prematurely");
        if (intake.violated || inside.readyState === "closed") return refuse(response);
        onDataRequest(posted, response);
        // After Engine.IO has set the body's decoding.
        posted.on("data", (chunk: string) => intake.spend(Buffer.byteLength(chunk)));
        response.once("finish", () => {
          if (response.statusCode === 413) intake.violate(tooLarge());
        });
      };
      if (!this.#paused || intake.violated) read();
      else if (!this.#parked) this.#parked = read;
      else {
        // Like Engine.IO for two concurrent requests.
        inside.onError("data request overlap from client");
        refuse(response);
      }
    };
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    this.#parked?.();
  }

  limitFrames(bytes: number): void {
    this.#inside.maxHttpBufferSize = bytes;
  }

  deliver(packet: unknown): void {
    this.#deliver(packet);
  }
}

/** The number of packets in a polling body; counting ends above `most`. */
function countPackets(body: string, most: number): number {
  let count = 1;
  for (let at = body.indexOf(SEPARATOR); at !== -1 && count <= most; at = body.indexOf(SEPARATOR, at + 1)) count += 1;
  return count;
}

/** Answers like Engine.IO if a session does not accept a request. */
function refuse(response: ServerResponse): void {
  response.writeHead(400).end();
}

function tooLarge(): HubError {
  return new HubError("payload_too_large", "A polling request exceeded the size limit. Send less at once.");
}

function tooManyPackets(most: number): HubError {
  return badRequest("", `A polling request may carry ${most} packets. Send the rest in the next request.`);
}
