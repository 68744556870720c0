import { setTimeout as pause } from "node:timers/promises";
import type { HubConfig } from "../config/config.ts";
import type { Logger } from "../kernel/log.ts";
import { startNode } from "../node/node.ts";
import type { WorkerOptions } from "./worker.ts";

const READY_POLL_MS = 250;

/** Serves a node in a supervised process. */
export function serveNode(config: HubConfig, log: Logger): WorkerOptions["serve"] {
  return async ({ place, database }, metricsText) => {
    const node = await startNode({
      config,
      log: log.child({ process: place }),
      metricsText,
      ...(database && { sharedDatabase: database }),
    });
    return {
      serving: { url: node.url, development: node.development },
      async ready() {
        while (Object.keys(await node.readiness()).length > 0) await pause(READY_POLL_MS);
      },
      lost: Promise.race([node.lost, node.replaced.then(() => "a hub without Redis served this database meanwhile")]),
      measure: () => node.metrics.measures(),
      close: () => node.stop({ drain: false }),
      drain: ({ handOver }) => node.stop({ drain: true, handOver }),
    };
  };
}
