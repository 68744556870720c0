import { once } from "node:events";
import type { Server } from "node:http";
import { parseChannel } from "@monster-realtime/client/protocol";
import { Authorizer } from "../auth/authorizer.ts";
import { channelOwners } from "../auth/channel-owners.ts";
import { DevelopmentIssuer } from "../auth/development-issuer.ts";
import { Directory } from "../auth/directory.ts";
import { issuersOf, personalTokensOf } from "../auth/token-sources.ts";
import { TokenVerifier } from "../auth/tokens.ts";
import type { HubConfig } from "../config/config.ts";
import { makeDataDir } from "../config/data-dir.ts";
import { ChangeFeed } from "../feed/change-feed.ts";
import type { HttpTimes } from "../http/answering-server.ts";
import { HttpApi } from "../http/api.ts";
import { listen } from "../http/listen.ts";
import { Metrics } from "../http/metrics.ts";
import { serveMetrics } from "../http/metrics-endpoint.ts";
import { Pages } from "../http/pages.ts";
import { createHttpServer, endWithNextAnswer, handOver as handOverPort, type Readiness } from "../http/server.ts";
import { ObservedBroker } from "../inspection/accepted.ts";
import { feedState } from "../inspection/feed-state.ts";
import { PublicationCounts } from "../inspection/publication-counts.ts";
import { databaseSizes } from "../inspection/size-queries.ts";
import { newId } from "../kernel/ids.ts";
import type { Logger } from "../kernel/log.ts";
import { reused } from "../kernel/reused.ts";
import { Reconciler } from "../presence/reconciler.ts";
import { restorePresence } from "../presence/restore.ts";
import { Purger } from "../purge/purger.ts";
import { createRpcRouter } from "../rpc/router/router.ts";
import { originPolicy } from "../socket/origin-policy.ts";
import { AuditListener } from "../store/audit-listener.ts";
import { AuditRetention } from "../store/audit-retention.ts";
import { ChangeFeedStore } from "../store/change-feed.ts";
import { PostgresFacts } from "../store/facts.ts";
import { openStore, type Store } from "../store/open.ts";
import type { ConnectionOptions } from "../store/postgres.ts";
import { PresenceRows } from "../store/presence-rows.ts";
import { PresenceWriter } from "../store/presence-writer.ts";
import { workPublications } from "../tasks/announcements.ts";
import { Dispatcher } from "../tasks/dispatcher.ts";
import { ProgressPublisher } from "../tasks/progress.ts";
import { WorkSweeper } from "../tasks/sweeper.ts";
import { identityOf, openBackend, readinessFaults } from "./backend.ts";
import {
  announceDevelopment,
  type Development,
  developmentServiceToken,
  seedDevelopment,
  sha256,
} from "./development.ts";
import { HeldIdentity } from "./held-identity.ts";
import { Hub } from "./hub.ts";
import { directConnection, openServing } from "./open-serving.ts";

const LAST_FLUSH_MS = 5_000;
/** Probes within this time share one check of the database and of Redis. */
const READINESS_REUSE_MS = 1_000;

export interface NodeOptions {
  config: HubConfig;
  log: Logger;
  /** An open database that stays open when the node closes; default: the configuration's. */
  store?: Store;
  /** The embedded database, if another process runs it. */
  sharedDatabase?: ConnectionOptions;
  /** The response of `/metrics`; default: this node's metrics. */
  metricsText?: () => Promise<string>;
  /** How long after the start rows that say online without a member are left unchanged. */
  settleMs?: number;
  /** Limits of slow requests. */
  httpTimes?: Omit<HttpTimes, "keepAliveMs">;
}

/** A running node. */
export interface RunningNode {
  hub: Hub;
  url: string;
  development: Development | null;
  writer: PresenceWriter;
  reconciler: Reconciler;
  metrics: Metrics;
  /** Why the node is not ready, by part; empty: it is ready. */
  readiness: Readiness;
  /** Resolves with the reason if the node must stop and start again. */
  lost: Promise<string>;
  /** Resolves when the node serves: at once, unless another hub does. Rejects, after `lost`, if it can't begin to serve. */
  serving: Promise<void>;
  /** Resolves when another hub takes over: stop this one. */
  replaced: Promise<void>;
  /**
   * Drains clients, writes back what is pending, and closes. `drain: false` ends connections at once, also in the middle of
   * a drain. `handOver`: other processes serve the port, so this one accepts no connection any more.
   */
  stop(options?: { drain: boolean; handOver?: boolean }): Promise<void>;
}

/** Chooses the implementations, connects them and listens. Throws if a part can't start, after closing everything again. */
export async function startNode(options: NodeOptions): Promise<RunningNode> {
  const { config, log, store: given } = options;
  await makeDataDir(config.dataDir);
  const store = given ?? (await openStore(config, log, options.sharedDatabase));
  try {
    return await startOn(store, { settleMs: config.presence.leaseMs + config.presence.graceMs, ...options }, !given);
  } catch (error) {
    if (!given) await store.close();
    throw error;
  }
}

async function startOn(
  store: Store,
  { config, log, settleMs, metricsText, httpTimes }: NodeOptions & { settleMs: number },
  ownsStore: boolean,
): Promise<RunningNode> {
  const nodeId = `node_${newId()}`;
  const { database } = store;
  const facts = new PostgresFacts(database, log);
  const issuer = config.development ? await DevelopmentIssuer.open(config.dataDir) : null;
  const serviceToken = config.development ? await developmentServiceToken(config.dataDir) : null;
  const times = { cacheMs: config.auth.rightsCacheMs, outageMs: config.database.outageMs };
  const authorizer = new Authorizer({ source: facts, ...times });
  const directory = new Directory({ source: facts, ...times });
  // Before the first client: a hub whose seed fails must never have been ready.
  const seed =
    issuer && serviceToken ? await seedDevelopment({ database, issuer, dataDir: config.dataDir, serviceToken }) : null;
  const services = serviceToken
    ? [{ name: "development", sha256: sha256(serviceToken), organizations: "*" as const }]
    : [];
  const verifier = new TokenVerifier({
    directory,
    issuers: issuersOf(config, issuer),
    personal: personalTokensOf(config),
    services: [...config.auth.serviceTokens, ...services],
  });
  const metrics = new Metrics();
  const keeper = await openServing({ config, database, nodeId, begin: () => begin(), log });
  const identity = new HeldIdentity(config.redis ? await identityOf(database, log) : null);
  const fence = identity.fence(keeper.term);
  const writer = new PresenceWriter({
    database,
    intervalMs: config.presence.writeBackIntervalMs,
    fence,
    log,
    onRefused: (workstationId, revision, refused) => reconciler.refused(workstationId, revision, refused),
    onWritten: (workstationId, online) => {
      dispatcher?.presenceWritten(workstationId, online);
      if (!online) sweeper.workstationLeft(workstationId);
    },
  });
  const backend = await openBackend({
    config,
    database,
    onLost: identity.lose,
    nodeId,
    identity: identity.value,
    retention: (channel) =>
      parseChannel(channel)?.kind.startsWith("project") ? config.history.project : config.history.entity,
    owners: channelOwners(authorizer),
    events: {
      workstationChanged: (changed) => writer.write(changed),
      replaced: (connectionId, channel) => hub.replaced(connectionId, channel),
      gaveUp: (connectionId, channel) => hub.gaveUp(connectionId, channel),
    },
    log,
  });
  const { presence } = backend;
  const counts = new PublicationCounts((channel) => authorizer.organizationOf(channel));
  const broker = new ObservedBroker(backend.broker, counts);
  const rows = new PresenceRows(database);
  const reconciler = new Reconciler({
    store: presence,
    writer,
    rows,
    nodeId,
    heartbeatMs: config.presence.heartbeatIntervalMs,
    reconcileMs: config.presence.reconcileIntervalMs,
    settleMs,
    log,
  });
  const listener = new AuditListener({
    connection: directConnection(config, database),
    connectTimeoutMs: config.database.timeoutMs,
    onWake: () => feed.wake(),
    notify: (channel, payload) => database.query((sql) => sql`SELECT pg_notify(${channel}, ${payload})`),
    log,
  });
  const { work } = config;
  const dispatcher = work.dispatch === "auto" ? new Dispatcher({ database, avoidMs: work.retryMs, log }) : null;
  const sweeper = new WorkSweeper({ database, ...work, log });
  const progress = new ProgressPublisher({ broker, log });
  const feed = new ChangeFeed({
    source: new ChangeFeedStore(database, { fence, shared: backend.feedRememberMs > 0, further: workPublications }),
    onPublished: (changes) => dispatcher?.changed(changes),
    broker,
    rememberMs: backend.feedRememberMs,
    ensureListening: () => listener.ensureListening(),
    isReceiving: () => listener.isReceiving(),
    onTouched: (touched) => hub.touched(touched),
    onInvited: (invited) => hub.invited(invited),
    log,
  });
  const purger = new Purger({ database, nodeId, fence, days: config.database.deletedOrganizationDays, log });
  const retention = new AuditRetention({
    database,
    days: config.database.auditRetentionDays,
    nodeId,
    fence,
    // A trial of the hub ends before its oldest event expires.
    log: config.development ? log.child({}, { level: "warn" }) : log,
  });
  const rpc = createRpcRouter({
    database,
    authorizer,
    connections: () => hub.liveConnections,
    inspection: () => hub.inspection,
    onTouched: (touched) => hub.touched(touched),
    onProgress: (update) => progress.publish(update),
    log,
  });
  const hub: Hub = new Hub({
    nodeId,
    broker,
    presence,
    authorizer,
    verifier,
    rpc,
    limits: config.limits,
    times: config.times,
    socketPath: `${config.basePath}/socket.io`,
    // The system chooses the process of each connection, so a session's next poll would reach another one.
    polling: config.processes === 1,
    adapter: backend.adapter,
    origins: originPolicy(config.allowedOrigins, config.development),
    trustProxy: config.trustProxy,
    refusal: () => identity.refusal() ?? keeper.refusal(),
    log,
    observe: metrics.observe,
    observeEnd: metrics.observeEnd,
  });
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
    feed: feedState(database),
    sizes: databaseSizes(database),
    tasksGiven: () => dispatcher?.given ?? 0,
    auditEventsRemoved: () => retention.removed,
    backend,
    writeBackPending: () => writer.pending,
    writeBackStatements: () => writer.statements,
    purges: () => purger,
  });
  const pages = new Pages({ log });
  // After the hand-over, a request for readiness concerns the other processes of the port.
  let handedOver = false;
  const faults = reused(() => readinessFaults(database, backend), READINESS_REUSE_MS);
  const readiness = async () => ({
    ...(await faults()),
    ...(keeper.fault !== null && !handedOver && { serving: keeper.fault }),
    ...(hub.draining && !handedOver && { hub: "draining" }),
  });
  const scraped = metricsText ? { contentType: metrics.contentType, text: metricsText } : metrics;
  const server = createHttpServer({
    api: new HttpApi(hub.services, hub.failures, config.times.requestTimeoutMs),
    metrics: config.metrics.address ? null : { text: scraped, token: config.metrics.token },
    readiness,
    warnings: backend.warnings,
    page: (request, url, response) => pages.serve(request, url, response),
    basePath: config.basePath,
    times: { keepAliveMs: config.times.keepAliveMs, ...httpTimes },
    log,
  });
  hub.attach(server);
  let stopped: Promise<void> | null = null;
  const begin = async () => {
    const { restore } = backend;
    if (restore) {
      await restorePresence({
        presentAfter: (afterId, limit) => rows.presentAfter(afterId, limit),
        restore: (present) => restore(present, settleMs),
        isOver: () => stopped !== null,
        log,
      });
    }
    if (stopped) return;
    for (const part of [reconciler, retention, purger, feed, sweeper, dispatcher]) part?.start();
  };
  let ownMetrics: Server | null = null;
  const cut = new AbortController();
  const whenCut = once(cut.signal, "abort");
  const end = async ({ drain, handOver = false }: { drain: boolean; handOver?: boolean }) => {
    handedOver = handOver;
    endWithNextAnswer(server);
    const drained = drain && !keeper.givesWay ? hub.drain() : Promise.resolve();
    // A waiting successor must not wait for clients.
    await Promise.race([handOver ? handOverPort(server, drained) : drained, keeper.replaced, whenCut]);
    if (cut.signal.aborted) await hub.endConnections();
    progress.close();
    await Promise.all([retention.close(), dispatcher?.close(), sweeper.close(), purger.close()]);
    await Promise.all([reconciler.close(), feed.close(), listener.close()]);
    presence.hold();
    const isSucceeded = keeper.givesWay;
    if (!isSucceeded) await hub.close();
    await writer.flush(keeper.mayWrite && !identity.isLost ? LAST_FLUSH_MS : 0);
    await writer.close();
    await keeper.release();
    if (isSucceeded && drain) await Promise.race([hub.drain({ successor: true }), whenCut]);
    if (isSucceeded) await hub.close();
    await backend.close();
    ownMetrics?.close();
    ownMetrics?.closeAllConnections();
  };
  const stop = (how = { drain: true }) => {
    if (!how.drain) cut.abort();
    stopped ??= end(how).then(() => (ownsStore ? store.close() : undefined));
    return stopped;
  };
  keeper.serving.catch(() => identity.lose("it can't begin to serve"));
  let url: string;
  let development: Development | null;
  try {
    // The supervisor of several processes serves them.
    if (config.metrics.address && !metricsText) {
      const { address, token } = config.metrics;
      ownMetrics = await serveMetrics(address, { metrics: scraped, token, log });
    }
    // A process that shares its port must get no clients before it serves. A hub without a port must not take over.
    if (config.processes > 1) await keeper.start();
    url = (await listen(server, config, "PORT, or HOST,")) + config.basePath;
    if (config.processes === 1) await keeper.start();
    development = seed && (await announceDevelopment(seed, config.dataDir, url));
  } catch (error) {
    cut.abort();
    // The caller closes the store.
    stopped = end({ drain: false });
    await stopped;
    throw error;
  }
  const [{ serving, replaced }, { lost }] = [keeper, identity];
  return { hub, url, development, writer, reconciler, metrics, readiness, lost, serving, replaced, stop };
}
