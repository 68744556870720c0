import type { NodesHeard } from "@monster-realtime/client/protocol";

/** What an answer says of the nodes that it was made of. */
export function heard(silentNodes: number): NodesHeard {
  return { incomplete: silentNodes > 0, silentNodes };
}
