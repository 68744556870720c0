import type { EncodedPublication } from "./broker.ts";
import { encodeHead } from "./encoding.ts";

/** A publication as nodes receive it from Redis. */
export interface StreamMessage extends EncodedPublication {
  epoch: string;
}

const HEADER = /^([pe]) (\S{1,64}) (\d{1,16}) /;

/** Parses `<p|e> <epoch> <offset> <JSON>`, as `publish.lua` sends it; null if the text has another form. */
export function parseMessage(text: string): StreamMessage | null {
  const [header, kind, epoch = "", digits] = HEADER.exec(text) ?? [];
  if (!header) return null;
  const offset = Number(digits);
  const json = text.slice(header.length);
  if (!Number.isSafeInteger(offset) || !json.startsWith(`${encodeHead(offset)},`) || !json.endsWith("}")) return null;
  return { epoch, offset, json, ephemeral: kind === "e" };
}
