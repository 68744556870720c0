import type { Socket } from "socket.io";
import type { Frame } from "./frame.ts";

/** Engine.IO's connection under a Socket.IO socket. */
export type EngineConnection = Socket["conn"];

/** One reply this large may be in flight without counting: a big snapshot must not look like a slow reader. */
const LARGE_REPLY_BYTES = 64 * 1024;

/** What all connections of a node share. */
export interface OutboundShared {
  /** What may wait for one connection. */
  maxBytes: number;
  /** Frames that went straight into a WebSocket. */
  direct: number;
  /** Frames that went into Engine.IO's queue: behind others, or to a client that polls. */
  queued: number;
}

/** What Engine.IO and ws have below their types; Engine.IO's own WebSocket transport sends prepared frames this way too. */
interface EngineQueue {
  readyState: string;
  writeBuffer: readonly { data?: unknown }[];
  transport: {
    socket?: { bufferedAmount: number; _sender?: { sendFrame?(frame: Buffer[]): void } };
  };
}

/**
 * What waits to be sent on one connection, in bytes: Engine.IO's queue, and what its WebSocket could not hand to the
 * kernel yet. It listens to nothing, because every write would pay for that; whoever writes asks.
 */
export class Outbound {
  readonly #engine: EngineConnection;
  readonly #shared: OutboundShared;
  /** How much of the queue was counted, and what it came to. */
  #counted = 0;
  #queued = 0;
  #exempt = 0;

  constructor(engine: EngineConnection, shared: OutboundShared) {
    this.#engine = engine;
    this.#shared = shared;
  }

  /**
   * Sends a frame that was made for many: straight into its WebSocket where nothing waits before it, because Engine.IO's
   * queue and events cost as much as the write itself. `checkDirectFrames` tells where an update of ws prevents that.
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

  /** Everything that waits. */
  get total(): number {
    const { writeBuffer, transport } = this.#engine as unknown as EngineQueue;
    // The queue is emptied at once, when its WebSocket takes it over.
    if (writeBuffer.length < this.#counted) this.#counted = this.#queued = 0;
    for (; this.#counted < writeBuffer.length; this.#counted += 1)
      this.#queued += sizeOf(writeBuffer[this.#counted]?.data);
    const total = this.#queued + (transport.socket?.bufferedAmount ?? 0);
    if (total === 0) this.#exempt = 0;
    return total;
  }

  /** A reply was written on top of `before`: a large one does not count while it is under way. */
  replied(before: number): void {
    const size = this.total - before;
    if (size >= LARGE_REPLY_BYTES && this.#exempt === 0) this.#exempt = size;
  }

  /** More waits than may. */
  get overflowing(): boolean {
    return this.#bytes > this.#shared.maxBytes;
  }

  /** More than half of the cap is used: what can be said later in fewer words should wait. */
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

/** Ends the transport of a connection: what waits is sent, and a peer that does not read or answer is cut after 5 s. */
export function endTransport(engine: EngineConnection): void {
  engine.close();
  setTimeout(() => {
    engine.close(true);
    cutTransport(engine);
  }, CLOSE_TIMEOUT_MS).unref();
}
