import { Decoder, Encoder, PacketType } from "socket.io-parser";

/** In place of the name of an event that could not be read: no client can send it. */
const MALFORMED = Symbol("malformed");
/** In place of an event where a packet was none that a client of this protocol sends. */
export const FOREIGN = Symbol("foreign");

/** A client of the default namespace has no business in this many others. */
const MAX_FOREIGN_NAMESPACES = 5;
/** An event of the default namespace, and the number its answer goes to. */
const EVENT = /^2(\d{0,15})(?![\d/])/;
const [SLASH, ZERO, FOUR] = [47, 48, 52];

/**
 * Reads packets. Socket.IO ends a connection without a word where its parser refuses a packet: here a malformed event
 * becomes a request like others, to be answered, and everything else an event that the connection is ended for.
 */
class RequestDecoder extends Decoder {
  #foreignNamespaces = 0;

  override add(packet: unknown): void {
    if (typeof packet !== "string" || this.#isForeign(packet)) this.#replace(FOREIGN);
    else this.#read(packet);
  }

  #read(packet: string): void {
    try {
      super.add(packet);
    } catch {
      // The parser's reasons are for developers of parsers: the answer says what a request looks like.
      const event = EVENT.exec(packet);
      if (event) this.#replace(MALFORMED, event[1]);
      else this.#replace(FOREIGN);
    }
  }

  /** What only hubs send, binary packets, whatever is for another namespace, and one namespace too many. */
  #isForeign(packet: string): boolean {
    const type = packet.charCodeAt(0);
    if (type >= FOUR) return true;
    if (packet.charCodeAt(1) !== SLASH || packet.startsWith("/,", 1)) return false;
    if (type !== ZERO) return true;
    this.#foreignNamespaces += 1;
    return this.#foreignNamespaces >= MAX_FOREIGN_NAMESPACES;
  }

  #replace(name: symbol, id = ""): void {
    const packet = { type: PacketType.EVENT, nsp: "/", data: [name] };
    this.emitReserved("decoded", id === "" ? packet : { ...packet, id: Number(id) });
  }
}

/** Socket.IO's `parser` option. */
export const parser = { Encoder, Decoder: RequestDecoder };
