import type { Metrics } from "../http/metrics.ts";
import { databaseSizes, feedState } from "../inspection/database-state.ts";
import type { Database } from "../store/database.ts";
import type { Fence } from "../store/fence.ts";
import type { PresenceWriter } from "../store/presence-writer.ts";
import type { Backend } from "./backend.ts";
import type { Background } from "./background.ts";
import type { Hub } from "./hub.ts";

export interface MeasuredParts {
  database: Database;
  fence: Fence;
  hub: Hub;
  background: Background;
  backend: Backend;
  writer: PresenceWriter;
}

/** Measures these parts of a node in each scrape. */
export function measure(metrics: Metrics, { database, fence, hub, background, backend, writer }: MeasuredParts): void {
  const { feed, dispatcher, retention, purger } = background;
  metrics.watch({
    serving: () => fence() !== null,
    connections: () => hub.connectionCount,
    transports: () => hub.transportCount,
    channels: () => hub.fanOut.channelCount,
    deliveries: () => hub.fanOut.counters.deliveries,
    packets: () => hub.fanOut.counters.packets,
    framesDirect: () => hub.frames.direct,
    framesQueued: () => hub.frames.queued,
    changesPublished: () => feed.published,
    changesRefused: () => feed.refused,
    feedFailing: () => feed.failing,
    feed: feedState(database),
    sizes: databaseSizes(database),
    tasksGiven: () => dispatcher?.given ?? 0,
    auditEventsRemoved: () => retention.removed,
    backend,
    writeBackPending: () => writer.pending,
    writeBackStatements: () => writer.statements,
    purges: () => purger,
  });
}
