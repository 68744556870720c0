import type { ConflictReason } from "@monster-realtime/client/protocol";
import { HubError } from "../kernel/errors.ts";

/** A `conflict` error with a machine-readable reason in its details. */
export function conflict(reason: ConflictReason, message: string, further: Record<string, unknown> = {}): HubError {
  return new HubError("conflict", message, { details: { reason, ...further } });
}
