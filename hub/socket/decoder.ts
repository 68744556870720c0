import type { Socket } from "socket.io";
import { Decoder, Encoder } from "socket.io-parser";
import { jsonTooComplex } from "../kernel/json-limits.ts";
import { ANONYMOUS_FRAME_BYTES } from "./intake.ts";

/** An event that a client sent. */
export interface InboundEvent {
  name: unknown;
  /** Its one argument; undefined where it has none. */
  argument: unknown;
  /** The number that its acknowledgement goes to; null: the client wants none. */
  ackId: number | null;
  /** Why it is no request, in words for its sender; null: it may be one. */
  fault: string | null;
}

/** Where the packets of a connection go once it was let in. */
export interface Receiver {
  event(event: InboundEvent): void;
  /** A packet that no client of this protocol sends. */
  foreign(): void;
}

/** A client of the default namespace has no use for this many others. */
const MAX_FOREIGN_NAMESPACES = 5;
/** The default namespace may be named. An id has as many digits as a number is exact with. */
const EVENT = /^2(?:\/,)?(\d{0,15})(?![\d/])/;
const SHAPE = "An event takes its name, one object and an optional acknowledgement. Send it as PROTOCOL.md says.";
/** An event is an array around the argument that the limits of JSON are about. */
const ENVELOPE_LEVELS = 1;
/** How a client leaves the namespace. */
const DISCONNECT = /^1(?:\/,)?$/;
const [SLASH, CONNECT, DISCONNECT_TYPE, EVENT_TYPE] = [47, 48, 49, 50];

/**
 * Reads packets. Events of a connection that was let in go to its receiver, without Socket.IO, which spreads an event's
 * arguments and ends connections without a reason. What costs too much to parse is refused before it is parsed.
 */
export class RequestDecoder extends Decoder {
  receiver: Receiver | null = null;
  #connects = 0;
  #foreignNamespaces = 0;

  override add(packet: unknown): void {
    if (typeof packet !== "string" || this.#isForeign(packet)) this.#foreign();
    else if (this.receiver && packet.charCodeAt(0) === EVENT_TYPE) this.#event(this.receiver, packet);
    else super.add(packet);
  }

  #event(receiver: Receiver, packet: string): void {
    const [head, id] = EVENT.exec(packet) ?? [];
    if (head === undefined) receiver.foreign();
    else receiver.event(readEvent(packet.slice(head.length), id ? Number(id) : null));
  }

  #foreign(): void {
    if (this.receiver) this.receiver.foreign();
    else throw new Error("This is no packet of a client that was not let in."); // Socket.IO ends the connection.
  }

  /** What is no packet, what only hubs send, acknowledgements, binary packets, what is for another namespace, one CONNECT too many. */
  #isForeign(packet: string): boolean {
    const type = packet.charCodeAt(0);
    if (!(type >= CONNECT && type <= EVENT_TYPE)) return true;
    if (type === DISCONNECT_TYPE && this.receiver) return !DISCONNECT.test(packet);
    if (type !== EVENT_TYPE && packet.length > ANONYMOUS_FRAME_BYTES) return true;
    const foreignNamespace = packet.charCodeAt(1) === SLASH && !packet.startsWith("/,", 1);
    if (type !== CONNECT) return foreignNamespace;
    if (foreignNamespace) this.#foreignNamespaces += 1;
    else this.#connects += 1;
    if (this.receiver && !hasReadableAuth(packet)) return true;
    return this.#connects > 1 || this.#foreignNamespaces >= MAX_FOREIGN_NAMESPACES;
  }
}

/** Socket.IO ends a connection without a reason if it can't read what follows the namespace. */
function hasReadableAuth(connect: string): boolean {
  const comma = connect.indexOf(",");
  if (comma === -1 || comma === connect.length - 1) return true;
  const auth = parse(connect.slice(comma + 1));
  return typeof auth === "object" && auth !== null && !Array.isArray(auth);
}

function readEvent(json: string, ackId: number | null): InboundEvent {
  const tooComplex = jsonTooComplex(json, ENVELOPE_LEVELS);
  if (tooComplex !== null) return { name: null, argument: undefined, ackId, fault: `The argument ${tooComplex}.` };
  const values = parse(json);
  if (!Array.isArray(values) || values.length > 2) return { name: null, argument: undefined, ackId, fault: SHAPE };
  return { name: values[0], argument: values[1], ackId, fault: null };
}

function parse(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    // The parser's reasons are for developers of parsers: the answer says what an event looks like.
    return null;
  }
}

/** Sends what this socket's client sends to `receiver` from now on. */
export function receiveWith(socket: Socket, receiver: Receiver): void {
  const { decoder } = socket.client as unknown as { decoder: RequestDecoder };
  decoder.receiver = receiver;
}

/** Socket.IO's `parser` option. */
export const parser = { Encoder, Decoder: RequestDecoder };
