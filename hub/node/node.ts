import type { HubConfig } from "../config/config.ts";
import { makeDataDir } from "../config/data-dir.ts";
import type { HttpTimes } from "../http/answering-server.ts";
import { Metrics } from "../http/metrics.ts";
import { ObservedBroker } from "../inspection/observed-broker.ts";
import { PublicationCounts } from "../inspection/publication-counts.ts";
import { newId } from "../kernel/ids.ts";
import type { Logger } from "../kernel/log.ts";
import { createRpcRouter } from "../rpc/router/router.ts";
import { originPolicy } from "../socket/origin-policy.ts";
import type { ConnectionOptions } from "../store/database.ts";
import { openStore, type Store } from "../store/open.ts";
import { PresenceWriter } from "../store/presence-writer.ts";
import { ProgressPublisher } from "../tasks/progress.ts";
import { openAccess } from "./access.ts";
import { identityOf, openBackend } from "./backend.ts";
import { Background } from "./background.ts";
import { NodeEvents } from "./events.ts";
import { measure } from "./gauges.ts";
import { HeldIdentity } from "./held-identity.ts";
import { Hub } from "./hub.ts";
import { openServing } from "./open-serving.ts";
import { RunningNode } from "./running-node.ts";

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

/** Builds the parts downwards: each gets its dependencies, and reports to its dependents by `NodeEvents`. */
async function startOn(
  store: Store,
  options: NodeOptions & { settleMs: number },
  ownsStore: boolean,
): Promise<RunningNode> {
  const { config, log, settleMs } = options;
  const nodeId = `node_${newId()}`;
  const { database } = store;
  const events = new NodeEvents();
  const { authorizer, verifier, seed } = await openAccess({ config, database, log });
  const keeper = await openServing({ config, database, nodeId, log });
  const identity = new HeldIdentity(config.redis ? await identityOf(database, log) : null);
  const fence = identity.fence(keeper.term);
  const writer = new PresenceWriter({
    database,
    intervalMs: config.presence.writeBackIntervalMs,
    fence,
    log,
    onRefused: (...refused) => events.emit("presenceRefused", ...refused),
    onWritten: (...written) => events.emit("presenceWritten", ...written),
  });
  const backend = await openBackend({ config, database, authorizer, nodeId, identity, writer, events, log });
  const { presence } = backend;
  const counts = new PublicationCounts((channel) => authorizer.organizationOf(channel));
  const broker = new ObservedBroker(backend.broker, counts);
  const progress = new ProgressPublisher({ broker, log });
  const metrics = new Metrics();
  const hub = new Hub({
    nodeId,
    broker,
    presence,
    authorizer,
    verifier,
    createRpc: (parts) =>
      createRpcRouter({ ...parts, database, authorizer, onProgress: (update) => progress.publish(update), log }),
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
  events.on("presenceReplaced", (connectionId, channel) => hub.presenceReplaced(connectionId, channel));
  events.on("presenceExpired", (connectionId, channel) => hub.presenceExpired(connectionId, channel));
  const background = new Background({
    config,
    database,
    nodeId,
    fence,
    presence,
    broker,
    backend,
    writer,
    hub,
    events,
    settleMs,
    log,
  });
  measure(metrics, { database, fence, hub, background, backend, writer });
  return RunningNode.start({
    config,
    database,
    store: ownsStore ? store : null,
    keeper,
    identity,
    writer,
    backend,
    progress,
    hub,
    background,
    metrics,
    metricsText: options.metricsText ?? null,
    httpTimes: options.httpTimes ?? {},
    seed,
    log,
  });
}
