import type { WorkObstacle } from "@monster-realtime/client/protocol";
import { HubError } from "../kernel/errors.ts";

/** A `conflict` error with a machine-readable obstacle in its details. */
export function conflict(obstacle: WorkObstacle, message: string, further: Record<string, unknown> = {}): HubError {
  return new HubError("conflict", message, { details: { obstacle, ...further } });
}
