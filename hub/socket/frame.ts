import * as ws from "ws";

/** An event encoded for the wire once for any number of connections. */
export interface Frame {
  /** The Socket.IO packet, for transports other than WebSocket. */
  packet: string;
  /** Engine.IO's options: with the prepared WebSocket frame, a send is one write of one buffer. */
  options: { compress: false; wsPreEncodedFrame: [Buffer] };
}

const EVENT = "2";
const ACK = "3";
const ENGINE_MESSAGE = "4";

interface FrameEncoder {
  frame(data: Buffer, options: object): Buffer[];
}
// ws exports `Sender.frame` (Socket.IO's own adapter uses it), but its types lack it.
const { Sender } = ws as unknown as { Sender: FrameEncoder };
const FRAME_OPTIONS = { fin: true, rsv1: false, opcode: 1, mask: false, readOnly: true };

/** Encodes `event` with arguments that are JSON already. */
export function encodeEvent(event: string, ...jsonArguments: string[]): Frame {
  return encode(`${EVENT}[${JSON.stringify(event)}${jsonArguments.map((json) => `,${json}`).join("")}]`);
}

/** Encodes the answer to the event with this id. */
export function encodeAck(id: number, json: string): Frame {
  return encode(`${ACK}${id}[${json}]`);
}

function encode(packet: string): Frame {
  const parts = Sender.frame(Buffer.from(ENGINE_MESSAGE + packet), { ...FRAME_OPTIONS });
  return { packet, options: { compress: false, wsPreEncodedFrame: [Buffer.concat(parts)] } };
}
