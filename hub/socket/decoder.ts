import type { Socket } from "socket.io";
import { Decoder, Encoder } from "socket.io-parser";
import { jsonTooComplex } from "../kernel/json-limits.ts";
import { ANONYMOUS_FRAME_BYTES } from "./intake.ts";

/** An event that a client sent. */
export interface InboundEvent {
  name: unknown;
  /** Its one argument; undefined if it has none. */
  argument: unknown;
  /** The number of its acknowledgement; null: the client requests none. */
  ackId: number | null;
  /** Why it is not a valid request, for its sender; null: it may be one. */
  fault: string | null;
}

/** The receiver of an admitted connection's packets. */
export interface Receiver {
  event(event: InboundEvent): void;
  /** A packet that no client of this protocol sends. */
  foreign(): void;
}

/** A client of the default namespace needs no more than this many others. */
const MAX_FOREIGN_NAMESPACES = 5;
/** The default namespace may be named. An id has at most the digits that a number represents exactly. */
const EVENT = /^2(?:\/,)?(\d{0,15})(?![\d/])/;
const SHAPE = "An event takes its name, one object and an optional acknowledgement. Send it as PROTOCOL.md describes.";
/** The levels of JSON around the argument, to which the limits apply. */
const ENVELOPE_LEVELS = 1;
/** The packet by which a client leaves the namespace. */
const DISCONNECT = /^1(?:\/,)?$/;
const [SLASH, CONNECT, DISCONNECT_TYPE, EVENT_TYPE] = [47, 48, 49, 50];

/**
 * Parses packets. Events of an admitted connection go to its receiver, without Socket.IO, which spreads an event's arguments
 * and ends connections without a reason. Packets that are too costly to parse are rejected before.
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

  /** Packets that are malformed, that only hubs send, acknowledgements, binary packets, other namespaces, a second CONNECT. */
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

/** Socket.IO ends a connection without a reason if it can't parse the text after the namespace. */
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
    // The parser's messages are too technical: the answer describes the form of an event.
    return null;
  }
}

/** Sends this socket's packets to `receiver` from now on. */
export function receiveWith(socket: Socket, receiver: Receiver): void {
  const { decoder } = socket.client as unknown as { decoder: RequestDecoder };
  decoder.receiver = receiver;
}

/** Socket.IO's `parser` option. */
export const parser = { Encoder, Decoder: RequestDecoder };
