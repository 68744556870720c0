import type { Socket } from "socket.io";

/** Engine.IO's connection under a Socket.IO socket. */
export type EngineConnection = Socket["conn"];

/** One reply this large may be in flight without counting: a big snapshot must not look like a slow reader. */
const LARGE_REPLY_BYTES = 64 * 1024;

/**
 * What waits to be sent on one connection, in bytes: Engine.IO's queue, and what its WebSocket could not hand to the
 * kernel yet. Calls `overflow` where it grows over the cap and `drained` whenever the queue has been handed over.
 */
export class Outbound {
  readonly #engine: EngineConnection;
  readonly #maxBytes: number;
  readonly #overflow: () => void;
  #queued = 0;
  #exempt = 0;
  #overflowed = false;

  constructor(engine: EngineConnection, maxBytes: number, overflow: () => void, drained: () => void) {
    this.#engine = engine;
    this.#maxBytes = maxBytes;
    this.#overflow = overflow;
    engine.on("packetCreate", (packet) => this.#queue(sizeOf(packet.data)));
    engine.on("flush", () => {
      this.#queued = 0;
    });
    engine.on("drain", () => {
      if (this.bytes === 0) this.#exempt = 0;
      drained();
    });
  }

  /** Bytes that wait, less the one large reply that does not count. */
  get bytes(): number {
    return Math.max(0, this.#queued + this.#inTransport() - this.#exempt);
  }

  /** More than half of the cap is used: what can be said later in fewer words should wait. */
  get congested(): boolean {
    return this.bytes > this.#maxBytes / 2;
  }

  #queue(size: number): void {
    this.#queued += size;
    if (size >= LARGE_REPLY_BYTES && this.#exempt === 0) this.#exempt = size;
    if (this.#overflowed || this.bytes <= this.#maxBytes) return;
    this.#overflowed = true;
    this.#overflow();
  }

  #inTransport(): number {
    const { socket } = this.#engine.transport as { socket?: { bufferedAmount: number } };
    return socket?.bufferedAmount ?? 0;
  }
}

function sizeOf(data: unknown): number {
  if (typeof data === "string") return data.length;
  return Buffer.isBuffer(data) ? data.byteLength : 0;
}
