import type { Broker } from "../broker/broker.ts";
import type { HubConfig } from "../config/config.ts";
import { ChangeFeed } from "../feed/change-feed.ts";
import type { Logger } from "../kernel/log.ts";
import type { PresenceStore } from "../presence/presence.ts";
import { Reconciler } from "../presence/reconciler.ts";
import { restorePresence } from "../presence/restore.ts";
import { Purger } from "../purge/purger.ts";
import { AuditListener } from "../store/audit-listener.ts";
import { AuditRetention } from "../store/audit-retention.ts";
import type { Database } from "../store/database.ts";
import { ChangeFeedStore } from "../store/feed-store.ts";
import type { Fence } from "../store/fence.ts";
import { PresenceRows } from "../store/presence-rows.ts";
import type { PresenceWriter } from "../store/presence-writer.ts";
import { Dispatcher } from "../tasks/dispatcher.ts";
import { WorkSweeper } from "../tasks/sweeper.ts";
import { workPublications } from "../tasks/work-publications.ts";
import type { Backend } from "./backend.ts";
import type { NodeEvents } from "./events.ts";
import type { Hub } from "./hub.ts";
import { directConnection } from "./open-serving.ts";

export interface BackgroundOptions {
  config: HubConfig;
  database: Database;
  nodeId: string;
  /** Whether this hub may publish changes and write presence now. */
  fence: Fence;
  presence: PresenceStore;
  broker: Broker;
  backend: Pick<Backend, "restore" | "feedRememberMs">;
  writer: PresenceWriter;
  hub: Pick<Hub, "touched" | "invited">;
  events: NodeEvents;
  /** How long after the start rows that say online without a member are left unchanged. */
  settleMs: number;
  log: Logger;
}

/** The work of a node that no client requests: it begins once the node serves. */
export class Background {
  readonly reconciler: Reconciler;
  readonly feed: ChangeFeed;
  readonly retention: AuditRetention;
  readonly purger: Purger;
  /** Null if another program assigns tasks. */
  readonly dispatcher: Dispatcher | null;
  readonly #sweeper: WorkSweeper;
  readonly #listener: AuditListener;
  readonly #options: BackgroundOptions;
  readonly #rows: PresenceRows;
  #isOver = false;

  constructor(options: BackgroundOptions) {
    const { config, database, nodeId, fence, events, log } = options;
    const { work } = config;
    this.#options = options;
    this.#rows = new PresenceRows(database);
    this.reconciler = reconcilerOf(options, this.#rows);
    this.#listener = listenerOf(options, () => this.feed.wake());
    this.dispatcher = work.dispatch === "auto" ? new Dispatcher({ database, avoidMs: work.retryMs, log }) : null;
    this.feed = feedOf(options, this.#listener, this.dispatcher);
    this.#sweeper = new WorkSweeper({ database, ...work, log });
    this.purger = new Purger({ database, nodeId, fence, days: config.database.deletedOrganizationDays, log });
    this.retention = new AuditRetention({
      database,
      days: config.database.auditRetentionDays,
      nodeId,
      fence,
      // A trial of the hub ends before its oldest event expires.
      log: config.development ? log.child({}, { level: "warn" }) : log,
    });
    events.on("presenceRefused", (...refused) => this.reconciler.refused(...refused));
    events.on("presenceWritten", (workstationId, online) => {
      this.dispatcher?.presenceWritten(workstationId, online);
      if (!online) this.#sweeper.workstationLeft(workstationId);
    });
  }

  /** Resolves when all work has begun, or the node stops. */
  async start(): Promise<void> {
    await this.#restore();
    if (this.#isOver) return;
    const { reconciler, retention, purger, feed, dispatcher } = this;
    for (const part of [reconciler, retention, purger, feed, this.#sweeper, dispatcher]) part?.start();
  }

  /** The node stops: a start that is in progress begins no work. */
  cancelStart(): void {
    this.#isOver = true;
  }

  /** Resolves when all work has ended. */
  async close(): Promise<void> {
    this.cancelStart();
    await Promise.all([this.retention.close(), this.dispatcher?.close(), this.#sweeper.close(), this.purger.close()]);
    await Promise.all([this.reconciler.close(), this.feed.close(), this.#listener.close()]);
  }

  async #restore(): Promise<void> {
    const { backend, settleMs, log } = this.#options;
    const { restore } = backend;
    if (!restore) return;
    await restorePresence({
      presentAfter: (afterId, limit) => this.#rows.presentAfter(afterId, limit),
      restore: (present) => restore(present, settleMs),
      isOver: () => this.#isOver,
      log,
    });
  }
}

function reconcilerOf(options: BackgroundOptions, rows: PresenceRows): Reconciler {
  const { config, nodeId, presence: store, writer, settleMs, log } = options;
  const { heartbeatIntervalMs: heartbeatMs, reconcileIntervalMs: reconcileMs } = config.presence;
  return new Reconciler({ store, writer, rows, nodeId, heartbeatMs, reconcileMs, settleMs, log });
}

function listenerOf({ config, database, log }: BackgroundOptions, onWake: () => void): AuditListener {
  return new AuditListener({
    connection: directConnection(config, database),
    connectTimeoutMs: config.database.timeoutMs,
    onWake,
    notify: (channel, payload) => database.query((sql) => sql`SELECT pg_notify(${channel}, ${payload})`),
    log,
  });
}

function feedOf(options: BackgroundOptions, listener: AuditListener, dispatcher: Dispatcher | null): ChangeFeed {
  const { database, fence, broker, hub, log } = options;
  const { feedRememberMs: rememberMs } = options.backend;
  return new ChangeFeed({
    source: new ChangeFeedStore(database, { fence, shared: rememberMs > 0, further: workPublications }),
    broker,
    rememberMs,
    ensureListening: () => listener.ensureListening(),
    isReceiving: () => listener.isReceiving(),
    onPublished: (changes) => dispatcher?.changed(changes),
    onTouched: (touched) => hub.touched(touched),
    onInvited: (invited) => hub.invited(invited),
    log,
  });
}
