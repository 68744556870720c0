import type { WorkObstacle } from "@monster-realtime/client/protocol";
import { HubError } from "../errors.ts";

/** `conflict` with what is in the way by a name that programs can tell apart. */
export function conflict(obstacle: WorkObstacle, message: string, further: Record<string, unknown> = {}): HubError {
  return new HubError("conflict", message, { details: { obstacle, ...further } });
}
