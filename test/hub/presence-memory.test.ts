import { MemoryPresence } from "../../hub/presence/memory.ts";
import type { WorkstationPresence } from "../../hub/presence/presence.ts";
import { presenceContract } from "../contract/presence.ts";

presenceContract("memory", async (graceMs, diffWindowMs) => {
  const changed: WorkstationPresence[] = [];
  const replaced: { connectionId: string; channel: string }[] = [];
  const store = new MemoryPresence({
    nodeId: "node_test",
    graceMs,
    ...(diffWindowMs !== undefined && { diffWindowMs }),
    events: {
      workstationChanged: (presence) => void changed.push(presence),
      replaced: (connectionId, channel) => void replaced.push({ connectionId, channel }),
    },
  });
  return { store, changed, replaced, close: () => store.close() };
});
