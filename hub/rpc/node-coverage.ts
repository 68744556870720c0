import type { NodesHeard } from "@monster-realtime/client/protocol";

/** The fields of an answer that report whether all nodes responded. */
export function nodeCoverage(silentNodes: number): NodesHeard {
  return { incomplete: silentNodes > 0, silentNodes };
}
