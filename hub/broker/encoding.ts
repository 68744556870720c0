import type { Publication } from "@monster-realtime/client/protocol";
import { HubError } from "../kernel/errors.ts";
import type { BrokerPublish } from "./broker.ts";

/** The JSON of a `Publication` after its offset, which only the stream knows; built around the encoded payload. */
export function encodeTail({ id, type, payloadJson, from, ephemeral, at = Date.now() }: BrokerPublish): string {
  const head = `,"id":${JSON.stringify(id)},"type":${JSON.stringify(type)}`;
  const tail = `"at":${at},"from":${JSON.stringify(from)}${ephemeral ? ',"ephemeral":true' : ""}}`;
  return `${head},"payload":${payloadJson},${tail}`;
}

/** The JSON before the tail. */
export function encodeHead(offset: number): string {
  return `{"offset":${offset}`;
}

export function decode(json: string): Publication {
  return JSON.parse(json) as Publication;
}

export function otherContent(): HubError {
  return new HubError(
    "conflict",
    "This id was published with another type or payload. Use a new id for a new message.",
  );
}

export function otherEpoch(): HubError {
  return new HubError("conflict", "The channel has a new epoch. Request its history without an epoch.");
}
