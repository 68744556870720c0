import { createHash } from "node:crypto";
import type { Publication } from "@monster-realtime/client/protocol";
import { stableJson } from "../kernel/stable-json.ts";
import type { BrokerPublish } from "./broker.ts";

type Content = Pick<BrokerPublish, "type" | "payloadJson">;

let last: (Content & { fingerprint: string }) | null = null;

/**
 * Equal for the same type and the same JSON; cheap enough for every publication. Content that goes to several channels in
 * a row is hashed once.
 */
export function fingerprintOf({ type, payloadJson }: Content): string {
  if (last?.payloadJson === payloadJson && last.type === type) return last.fingerprint;
  const fingerprint = createHash("sha1").update(`${type}\n`).update(payloadJson).digest("base64");
  last = { type, payloadJson, fingerprint };
  return fingerprint;
}

/** Whether both have the same content regardless of the order of keys: for the rare case that fingerprints differ. */
export function isSameContent(first: Publication, { type, payloadJson }: Content): boolean {
  return first.type === type && stableJson(first.payload) === stableJson(JSON.parse(payloadJson));
}
