import { HubError } from "../../hub/kernel/errors.ts";
import { join, presenceOn, workstation } from "./redis-presence.ts";

/**
 * A node in a separate process, which can be stopped as a whole (`presence-leases.test.ts`). Receives a connection's id to
 * join from its parent, and reports the events of its store.
 */
const [url = "", leaseMs, graceMs] = process.argv.slice(2);
const node = await presenceOn(url, { nodeId: "paused", leaseMs: Number(leaseMs), graceMs: Number(graceMs) });

process.on("message", (connectionId: string) => void joined(connectionId));
setInterval(() => {
  for (const { connectionId } of node.replaced.splice(0)) report("replaced", connectionId);
  for (const connectionId of node.gaveUp.splice(0)) report("gaveUp", connectionId);
  for (const { state } of node.changed.splice(0)) report("changed", state);
}, 10);
report("ready", "");

/** Retries like an SDK: right after a standstill the store refuses joins temporarily. */
async function joined(connectionId: string): Promise<void> {
  for (;;) {
    try {
      await join(node, workstation(connectionId, { by: connectionId }));
      return report("joined", connectionId);
    } catch (error) {
      if (!(error instanceof HubError) || error.code !== "unavailable") throw error;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
}

function report(what: string, about: string): void {
  process.send?.({ what, about });
}
