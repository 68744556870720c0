import type { Socket } from "socket.io";
import type { Frame } from "./frame.ts";

/** Engine.IO's connection under a Socket.IO socket. */
export type EngineConnection = Socket["conn"];

/** One reply this large may be in flight without counting: a big snapshot must not look like a slow reader. */
const LARGE_REPLY_BYTES = 64 * 1024;

/** The state that all connections of a node share. */
export interface OutboundShared {
  /** The most bytes that may wait for one connection. */
  maxBytes: number;
  /** Frames written straight into a WebSocket. */
  direct: number;
  /** Frames sent through Engine.IO's queue: behind others, or to a client that polls. */
  queued: number;
}

/** Fields of Engine.IO and ws outside of their types; Engine.IO's own WebSocket transport sends prepared frames this way too. */
interface EngineQueue {
  readyState: string;
  writeBuffer: readonly { data?: unknown }[];
  transport: {
    socket?: { bufferedAmount: number; _sender?: { sendFrame?(frame: Buffer[]): void } };
  };
}

/**
 * The unsent bytes of one connection: Engine.IO's queue, and data that its WebSocket could not write to the kernel yet. It
 * adds no listener, because every write would pay for that; the writer queries it.
 */
export class Outbound {
  readonly #engine: EngineConnection;
  readonly #shared: OutboundShared;
  /** How much of the queue was counted, and its bytes. */
  #counted = 0;
  #queued = 0;
  #exempt = 0;

  constructor(engine: EngineConnection, shared: OutboundShared) {
    this.#engine = engine;
    this.#shared = shared;
  }

  /**
   * Sends a frame that was encoded for many connections: straight into the WebSocket if nothing waits before it, because
   * Engine.IO's queue and events cost as much as the write. `checkDirectFrames` reports if an update of ws prevents that.
   */
  send({ packet, options }: Frame): void {
    const { readyState, writeBuffer, transport } = this.#engine as unknown as EngineQueue;
    const sender = transport.socket?._sender;
    if (sender?.sendFrame && writeBuffer.length === 0 && readyState === "open") {
      this.#shared.direct += 1;
      sender.sendFrame(options.wsPreEncodedFrame);
    } else {
      this.#shared.queued += 1;
      this.#engine.write(packet, options);
    }
  }

  /** All unsent bytes. */
  get total(): number {
    const { writeBuffer, transport } = this.#engine as unknown as EngineQueue;
    // The WebSocket empties the whole queue when it takes it over.
    if (writeBuffer.length < this.#counted) this.#counted = this.#queued = 0;
    for (; this.#counted < writeBuffer.length; this.#counted += 1)
      this.#queued += sizeOf(writeBuffer[this.#counted]?.data);
    const total = this.#queued + (transport.socket?.bufferedAmount ?? 0);
    if (total === 0) this.#exempt = 0;
    return total;
  }

  /** A reply was written on top of `before`: a large one does not count while it is in flight. */
  replied(before: number): void {
    const size = this.total - before;
    if (size >= LARGE_REPLY_BYTES && this.#exempt === 0) this.#exempt = size;
  }

  /** Whether more bytes wait than allowed. */
  get overflowing(): boolean {
    return this.#bytes > this.#shared.maxBytes;
  }

  /** Whether more than half of the cap is used: then updates that a later one can replace should wait. */
  get congested(): boolean {
    return this.#bytes > this.#shared.maxBytes / 2;
  }

  get #bytes(): number {
    const { total } = this;
    return total - this.#exempt;
  }
}

function sizeOf(data: unknown): number {
  if (typeof data === "string") return data.length;
  return Buffer.isBuffer(data) ? data.byteLength : 0;
}

/** Ends the connection without waiting for a peer that may never answer. */
export function cutTransport(engine: EngineConnection): void {
  const { socket } = engine.transport as { socket?: { terminate(): void } };
  if (socket) socket.terminate();
  else engine.close(true);
}

/** How long a peer may take to read why its connection ends, and to answer its end, before its socket is cut. */
export const CLOSE_TIMEOUT_MS = 5_000;

/** Ends the transport of a connection: unsent data is sent, and a peer that does not read or answer is cut after 5 s. */
export function endTransport(engine: EngineConnection): void {
  engine.close();
  setTimeout(() => {
    engine.close(true);
    cutTransport(engine);
  }, CLOSE_TIMEOUT_MS).unref();
}
