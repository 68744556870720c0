import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import { parseChannel } from "@monster-realtime/client/protocol";
import { Authorizer } from "./auth/authorizer.ts";
import { DevelopmentIssuer } from "./auth/development-issuer.ts";
import { Directory } from "./auth/directory.ts";
import { Introspection } from "./auth/introspection.ts";
import { remoteKeys } from "./auth/issuer-keys.ts";
import { type PersonalTokens, type TokenIssuer, TokenVerifier } from "./auth/tokens.ts";
import { type Backend, openBackend } from "./backend.ts";
import type { HubConfig } from "./config.ts";
import { makeDataDir } from "./data-dir.ts";
import {
  announceDevelopment,
  type Development,
  developmentServiceToken,
  seedDevelopment,
  sha256,
} from "./development.ts";
import { HubError } from "./errors.ts";
import { ChangeFeed } from "./feed/change-feed.ts";
import { originPolicy } from "./gate.ts";
import { HttpApi } from "./http/api.ts";
import { Metrics } from "./http/metrics.ts";
import { Pages } from "./http/pages.ts";
import { createHttpServer, handOver as handOverPort, type Readiness } from "./http/server.ts";
import { Hub } from "./hub.ts";
import { newId } from "./ids.ts";
import { ObservedBroker } from "./inspection/accepted.ts";
import { PublicationCounts } from "./inspection/publication-counts.ts";
import type { Logger } from "./log.ts";
import { Reconciler } from "./presence/reconciler.ts";
import { createRpcRouter } from "./rpc/router.ts";
import { AuditListener } from "./store/audit-listener.ts";
import { AuditRetention } from "./store/audit-retention.ts";
import { ChangeFeedStore } from "./store/change-feed.ts";
import { PostgresFacts } from "./store/facts.ts";
import { openStore, type Store } from "./store/open.ts";
import type { ConnectionOptions } from "./store/postgres.ts";
import { PresenceRows } from "./store/presence-rows.ts";
import { PresenceWriter } from "./store/presence-writer.ts";
import { workPublications } from "./tasks/announcements.ts";
import { Dispatcher } from "./tasks/dispatcher.ts";
import { ProgressPublisher } from "./tasks/progress.ts";
import { WorkSweeper } from "./tasks/sweeper.ts";

const LAST_FLUSH_MS = 5_000;
/** Clients that come back all at once wait here; what doesn't fit is dropped and comes seconds later. */
const BACKLOG = 4_096;

export interface NodeOptions {
  config: HubConfig;
  log: Logger;
  /** A database that is there already and stays when the node closes; else the configuration's. */
  store?: Store;
  /** The embedded database, where another process runs it. */
  sharedDatabase?: ConnectionOptions;
  /** What `/metrics` answers; else the metrics of this node. */
  metricsText?: () => Promise<string>;
  /** How long after the start rows are left alone that say online without a member. */
  settleMs?: number;
}

/** A node that runs. */
export interface RunningNode {
  hub: Hub;
  url: string;
  development: Development | null;
  writer: PresenceWriter;
  reconciler: Reconciler;
  metrics: Metrics;
  /** Why it is not ready, by part; empty: it is. */
  readiness: Readiness;
  /**
   * Sends clients away, writes what waits, and closes. `drain: false` ends connections at once; `handOver`: others serve
   * the port, so no connection is taken any more.
   */
  stop(options?: { drain: boolean; handOver?: boolean }): Promise<void>;
}

/** Chooses the implementations, joins them and listens. Throws where a part can't start, with everything closed again. */
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
  { config, log, settleMs, metricsText }: NodeOptions & { settleMs: number },
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
  // Before anybody is served: a hub whose seed fails must not have been ready.
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
  const writer = new PresenceWriter({
    database,
    intervalMs: config.presence.writeBackIntervalMs,
    log,
    onRefused: (workstationId, revision, refused) => reconciler.refused(workstationId, revision, refused),
    onWritten: (workstationId, online) => dispatcher?.presenceWritten(workstationId, online),
  });
  const backend = await openBackend({
    config,
    nodeId,
    retention: (channel) =>
      parseChannel(channel)?.kind.startsWith("project") ? config.history.project : config.history.entity,
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
  const reconciler = new Reconciler({
    store: presence,
    writer,
    rows: new PresenceRows(database),
    nodeId,
    heartbeatMs: config.presence.heartbeatIntervalMs,
    reconcileMs: config.presence.reconcileIntervalMs,
    settleMs,
    log,
  });
  const listener = new AuditListener({
    connection: config.database.directUrl === null ? database.connection : { url: config.database.directUrl },
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
    source: new ChangeFeedStore(database),
    further: (changes) => workPublications(database, changes),
    onPublished: (changes) => dispatcher?.changed(changes),
    broker,
    rememberMs: backend.feedRememberMs,
    ensureListening: () => listener.ensureListening(),
    hears: () => listener.hears(),
    onTouched: (touched) => hub.touched(touched),
    log,
  });
  const retention = new AuditRetention({ database, days: config.database.auditRetentionDays, log });
  const rpc = createRpcRouter({
    database,
    authorizer,
    connections: () => hub.liveConnections,
    inspection: () => hub.inspection,
    onTouched: (touched) => hub.touched(touched),
    onProgress: (told) => progress.publish(told),
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
    // Which of several processes takes a connection is chance, so that a session's next poll would reach another one.
    polling: config.processes === 1,
    adapter: backend.adapter,
    origins: originPolicy(config.allowedOrigins, config.development),
    trustProxy: config.trustProxy,
    log,
    observe: metrics.observe,
  });
  metrics.watch({
    connections: () => hub.connectionCount,
    channels: () => hub.fanOut.channelCount,
    deliveries: () => hub.fanOut.counters.deliveries,
    packets: () => hub.fanOut.counters.packets,
    changesPublished: () => feed.published,
    tasksGiven: () => dispatcher?.given ?? 0,
    writeBackPending: () => writer.pending,
    writeBackStatements: () => writer.statements,
  });
  const pages = new Pages();
  // Whoever asks the port for it means all who serve it.
  let handedOver = false;
  const readiness = () => readinessOf(store, backend, hub.draining && !handedOver);
  const server = createHttpServer({
    api: new HttpApi(hub.services, config.times.requestTimeoutMs),
    metrics: metricsText ? { contentType: metrics.contentType, text: metricsText } : metrics,
    readiness,
    page: (request, url, response) => pages.serve(request, url, response),
    log,
  });
  hub.attach(server);
  reconciler.start();
  retention.start();
  feed.start();
  sweeper.start();
  dispatcher?.start();
  const url = await listen(server, config.host, config.port);
  const development = seed && (await announceDevelopment(seed, config.dataDir, url));
  const stop = async ({ drain, handOver = false }: { drain: boolean; handOver?: boolean } = { drain: true }) => {
    handedOver = handOver;
    const drained = drain ? hub.drain() : Promise.resolve();
    await (handOver ? handOverPort(server, drained) : drained);
    retention.close();
    progress.close();
    await Promise.all([dispatcher?.close(), sweeper.close()]);
    await Promise.all([reconciler.close(), feed.close(), listener.close()]);
    await hub.close();
    await writer.flush(LAST_FLUSH_MS);
    await writer.close();
    await backend.close();
    if (ownsStore) await store.close();
  };
  return { hub, url, development, writer, reconciler, metrics, readiness, stop };
}

function issuersOf({ auth }: HubConfig, development: DevelopmentIssuer | null): TokenIssuer[] {
  const issuers: TokenIssuer[] = development ? [development] : [];
  if (auth.issuer !== null) {
    issuers.push({ issuer: auth.issuer, audiences: auth.audiences, keys: remoteKeys({ issuer: auth.issuer }) });
  }
  return issuers;
}

function personalTokensOf({ auth }: HubConfig): PersonalTokens | null {
  const { issuer, introspectionUrl: url, audiences, personalTokenCacheMs: cacheMs } = auth;
  if (issuer === null || url === null) return null;
  return { introspection: new Introspection({ url, issuer, cacheMs }), audiences };
}

async function readinessOf({ database }: Store, backend: Backend, draining: boolean): Promise<Record<string, string>> {
  const faults = await backend.faults();
  if (draining) faults.hub = "draining";
  try {
    await database.ping();
  } catch (error) {
    // Anybody may ask: what the database itself says may name who the hub is there.
    faults.database =
      error instanceof HubError
        ? error.message
        : "The database refuses what the hub asks. The database's log says why.";
  }
  return faults;
}

/** An address that can't be had, told with what to do. */
function listenError(error: NodeJS.ErrnoException, host: string, port: number): Error {
  const taken = error.code === "EADDRINUSE" ? "is in use" : `can't be listened on (${error.code})`;
  const remedy = "Set PORT, or HOST, to another one, or stop what uses it.";
  return Object.assign(new Error(`${host}:${port} ${taken}. ${remedy}`, { cause: error }), { remedy });
}

function listen(server: Server, host: string, port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) => reject(listenError(error, host, port)));
    server.listen({ port, host, backlog: BACKLOG }, () => {
      server.removeAllListeners("error");
      const { port: actual } = server.address() as AddressInfo;
      const name = host === "0.0.0.0" || host === "127.0.0.1" ? "localhost" : host;
      resolve(`http://${name}:${actual}`);
    });
  });
}
