import { newId } from "../kernel/ids.ts";
import { MemoryRecords } from "./memory-records.ts";
import { NodePresence, type NodePresenceOptions } from "./node-presence.ts";

export type LonePresenceOptions = Omit<NodePresenceOptions, "store" | "leaseMs" | "settleMs" | "now">;

/** The presence of a hub that is alone. Its lease never ends, and its data only with the process. */
export function lonePresence(options: LonePresenceOptions): Promise<NodePresence> {
  const store = new MemoryRecords({ epoch: newId() });
  return NodePresence.open({ ...options, store, leaseMs: Number.POSITIVE_INFINITY });
}
