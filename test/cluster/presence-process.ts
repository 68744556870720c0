import { HubError } from "../../hub/errors.ts";
import { presenceOn, workstation } from "./redis-presence.ts";

/**
 * A node in a process of its own, which can be stopped as a whole (`presence-pause.test.ts`). Takes `join` with a
 * connection's id from its parent, and says what its store told it.
 */
const [url = "", leaseMs, graceMs] = process.argv.slice(2);
const node = await presenceOn(url, { nodeId: "paused", leaseMs: Number(leaseMs), graceMs: Number(graceMs) });

process.on("message", (connectionId: string) => void joined(connectionId));
setInterval(() => {
  for (const { connectionId } of node.replaced.splice(0)) tell("replaced", connectionId);
  for (const connectionId of node.gaveUp.splice(0)) tell("gaveUp", connectionId);
  for (const { state } of node.changed.splice(0)) tell("changed", state);
}, 10);
tell("ready", "");

/** As an SDK does: right after a standstill a join is refused for now. */
async function joined(connectionId: string): Promise<void> {
  for (;;) {
    try {
      await node.store.join(workstation(connectionId, { by: connectionId }));
      return tell("joined", connectionId);
    } catch (error) {
      if (!(error instanceof HubError) || error.code !== "unavailable") throw error;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
}

function tell(what: string, about: string): void {
  process.send?.({ what, about });
}
