import { pino } from "pino";
import { MemoryRecords } from "../../hub/presence/memory-records.ts";
import { NodePresence, type NodePresenceOptions } from "../../hub/presence/node-presence.ts";

const IGNORED = { workstationChanged: () => undefined, replaced: () => undefined, gaveUp: () => undefined };
let made = 0;

/** The presence of a hub that is alone, not started: it takes its lease when it needs it. */
export function lonePresenceWith(
  settings: Partial<Omit<NodePresenceOptions, "events">> & { events?: Partial<NodePresenceOptions["events"]> } = {},
): NodePresence {
  made += 1;
  return new NodePresence({
    nodeId: "node_test",
    graceMs: 0,
    leaseMs: Number.POSITIVE_INFINITY,
    store: new MemoryRecords({ epoch: `test${made}` }),
    drawGeneration: async () => 1,
    log: pino({ level: "silent" }),
    ...settings,
    events: { ...IGNORED, ...settings.events },
  });
}
