import { randomBytes } from "node:crypto";
import fc from "fast-check";

/** A WebSocket frame on the wire, valid or not. */
export interface FrameSpec {
  fin: boolean;
  /** The three reserved bits; 0 is valid. */
  reserved: number;
  opcode: number;
  masked: boolean;
  /** The length in the frame's header; null: that of its payload. */
  statedLength: number | null;
  /** The number of bytes for the length: 0 is the shortest form. */
  lengthBytes: 0 | 2 | 8;
  payload: string;
}

const [TEXT, CONTINUATION, PING, PONG] = [1, 0, 9, 10];
const GOOD: FrameSpec = {
  fin: true,
  reserved: 0,
  opcode: TEXT,
  masked: true,
  statedLength: null,
  lengthBytes: 0,
  payload: "",
};

/** A few frames, any of which may break the rules of WebSocket. */
export function frames(payload: fc.Arbitrary<string>): fc.Arbitrary<FrameSpec[]> {
  const some = fc.oneof(payload, fc.constantFrom("", "\u0003\u00e8bye", "x".repeat(126)));
  const odd = fc.record({
    fin: fc.boolean(),
    reserved: fc.constantFrom(0, 0, 0, 4, 1),
    opcode: fc.constantFrom(TEXT, TEXT, CONTINUATION, 2, 8, PING, PONG, 3, 11, 15),
    masked: fc.constantFrom(true, true, true, false),
    statedLength: fc.constantFrom(null, null, null, 0, 125, 65_535, 70_000, 2 ** 31, 2 ** 52, 2 ** 53),
    lengthBytes: fc.constantFrom(0 as const, 0 as const, 2 as const, 8 as const),
    payload: some,
  });
  return fc.array(odd, { minLength: 1, maxLength: 4 });
}

/** The frames of one text in pieces, with control frames between them, as WebSocket allows. */
export function fragments(text: string, pieces: number): FrameSpec[] {
  const bytes = Buffer.from(text).toString("latin1");
  const size = Math.max(1, Math.ceil(bytes.length / pieces));
  const count = Math.max(1, Math.ceil(bytes.length / size));
  return Array.from({ length: count }, (_, index) => index).flatMap((index) => [
    {
      ...GOOD,
      opcode: index === 0 ? TEXT : CONTINUATION,
      fin: index === count - 1,
      payload: bytes.slice(index * size, (index + 1) * size),
    },
    { ...GOOD, opcode: index % 2 === 0 ? PING : PONG },
  ]);
}

/** `payload` is interpreted as bytes, one per character. */
export function encodeFrame(spec: FrameSpec): Buffer {
  const payload = Buffer.from(spec.payload, "latin1");
  const first = (spec.fin ? 0x80 : 0) | (spec.reserved << 4) | spec.opcode;
  const length = encodeLength(spec.statedLength ?? payload.length, spec.lengthBytes);
  length[0] = (length[0] ?? 0) | (spec.masked ? 0x80 : 0);
  if (!spec.masked) return Buffer.concat([Buffer.of(first), length, payload]);
  const mask = randomBytes(4);
  const hidden = payload.map((byte, index) => byte ^ (mask[index % 4] ?? 0));
  return Buffer.concat([Buffer.of(first), length, mask, hidden]);
}

function encodeLength(length: number, atLeast: FrameSpec["lengthBytes"]): Buffer {
  if (length < 126 && atLeast === 0) return Buffer.of(length);
  if (length < 65_536 && atLeast < 8) {
    const short = Buffer.of(126, 0, 0);
    short.writeUInt16BE(length, 1);
    return short;
  }
  const long = Buffer.alloc(9);
  long[0] = 127;
  long.writeBigUInt64BE(BigInt(length), 1);
  return long;
}
