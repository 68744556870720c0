import type { WorkstationPresence } from "../../hub/presence/presence.ts";
import { presenceContract } from "../contract/presence.ts";
import { lonePresenceWith } from "../support/lone-presence.ts";

presenceContract("memory", async (graceMs, diffWindowMs) => {
  const changed: WorkstationPresence[] = [];
  const replaced: { connectionId: string; channel: string }[] = [];
  const store = lonePresenceWith({
    graceMs,
    ...(diffWindowMs !== undefined && { diffWindowMs }),
    events: {
      workstationChanged: (presence) => void changed.push(presence),
      replaced: (connectionId, channel) => void replaced.push({ connectionId, channel }),
    },
  });
  await store.start();
  return { store, changed, replaced, close: () => store.close() };
});
