import { once } from "node:events";
import type { Server } from "node:http";
import type { HubConfig } from "../config/config.ts";
import type { HttpTimes } from "../http/answering-server.ts";
import { HttpApi } from "../http/api.ts";
import { listen } from "../http/listen.ts";
import type { Metrics } from "../http/metrics.ts";
import { serveMetrics } from "../http/metrics-endpoint.ts";
import { Pages } from "../http/pages.ts";
import { createHttpServer, endWithNextAnswer, handOver as handOverPort, type Readiness } from "../http/server.ts";
import type { Logger } from "../kernel/log.ts";
import { reused } from "../kernel/memoized.ts";
import type { Reconciler } from "../presence/reconciler.ts";
import type { Database } from "../store/database.ts";
import type { PresenceWriter } from "../store/presence-writer.ts";
import type { ProgressPublisher } from "../tasks/progress.ts";
import { type Backend, readinessFaults } from "./backend.ts";
import type { Background } from "./background.ts";
import { announceDevelopment, type Development, type DevelopmentSeed } from "./development.ts";
import type { HeldIdentity } from "./held-identity.ts";
import type { Hub } from "./hub.ts";
import type { ServingKeeper } from "./serving-keeper.ts";

const LAST_FLUSH_MS = 5_000;
/** Probes within this time share one check of the database and of Redis. */
const READINESS_REUSE_MS = 1_000;
/** Requests within this time share one text: it takes milliseconds, which all clients wait for, and anybody may ask for it. */
const METRICS_REUSE_MS = 100;

/** A node's parts, built and not started yet. */
export interface NodeParts {
  config: HubConfig;
  database: Database;
  /** Ends with the node; null: its owner closes it. */
  store: { close(): Promise<void> } | null;
  keeper: ServingKeeper;
  identity: HeldIdentity;
  writer: PresenceWriter;
  backend: Backend;
  progress: ProgressPublisher;
  hub: Hub;
  background: Background;
  metrics: Metrics;
  /** The response of `/metrics`; null: this node's metrics. */
  metricsText: (() => Promise<string>) | null;
  httpTimes: Omit<HttpTimes, "keepAliveMs">;
  /** The rows and tokens of development mode; null in production. */
  seed: DevelopmentSeed | null;
  log: Logger;
}

/** How a node stops; see `RunningNode.stop`. */
export interface Stop {
  drain: boolean;
  handOver?: boolean;
}

/** A node from its first request to its end. */
export class RunningNode {
  readonly hub: Hub;
  readonly writer: PresenceWriter;
  readonly reconciler: Reconciler;
  readonly metrics: Metrics;
  /** Why the node is not ready, by part; empty: it is ready. */
  readonly readiness: Readiness;
  /** Resolves with the reason if the node must stop and start again. */
  readonly lost: Promise<string>;
  /**
   * Resolves when the node serves: immediately, unless another hub does. Rejects, after `lost`, if it can't begin to
   * serve.
   */
  readonly serving: Promise<void>;
  /** Resolves when another hub takes over: stop this one. */
  readonly replaced: Promise<void>;
  readonly #parts: NodeParts;
  readonly #server: Server;
  readonly #cut = new AbortController();
  #url = "";
  #development: Development | null = null;
  #ownMetrics: Server | null = null;
  /** Another process serves the port: a request for readiness concerns that one. */
  #handedOver = false;
  #stopped: Promise<void> | null = null;

  private constructor(parts: NodeParts) {
    this.#parts = parts;
    this.hub = parts.hub;
    this.writer = parts.writer;
    this.reconciler = parts.background.reconciler;
    this.metrics = parts.metrics;
    this.lost = parts.identity.lost;
    this.serving = parts.keeper.serving;
    this.replaced = parts.keeper.replaced;
    const faults = reused(() => readinessFaults(parts.database, parts.backend), READINESS_REUSE_MS);
    this.readiness = async () => ({ ...(await faults()), ...this.#faults() });
    this.#server = createServerOf(parts, this.readiness);
  }

  /** Listens, and serves unless another hub does. Throws if it can't, after everything but the store is closed again. */
  static async start(parts: NodeParts): Promise<RunningNode> {
    const node = new RunningNode(parts);
    try {
      await node.#start();
      return node;
    } catch (error) {
      node.#cut.abort();
      await node.#end({ drain: false });
      throw error;
    }
  }

  get url(): string {
    return this.#url;
  }

  /** The tokens of development mode; null in production. */
  get development(): Development | null {
    return this.#development;
  }

  /**
   * Drains clients, writes back pending data, and closes. `drain: false` ends connections immediately, also in the
   * middle of a drain. `handOver`: other processes serve the port, so this one accepts no connection any more.
   */
  readonly stop = (how: Stop = { drain: true }): Promise<void> => {
    if (!how.drain) this.#cut.abort();
    this.#stopped ??= this.#end(how).then(() => this.#parts.store?.close());
    return this.#stopped;
  };

  async #start(): Promise<void> {
    const { config, keeper, identity, background, seed } = this.#parts;
    keeper.serving.catch(() => identity.lose("it can't begin to serve"));
    this.hub.attach(this.#server);
    await this.#serveMetrics();
    const begin = () => background.start();
    // A process that shares its port must get no clients before it serves. A hub without a port must not take over.
    if (config.processes > 1) await keeper.start(begin);
    this.#url = (await listen(this.#server, config, "PORT, or HOST,")) + config.basePath;
    if (config.processes === 1) await keeper.start(begin);
    this.#development = seed && (await announceDevelopment(seed, config.dataDir, this.#url));
  }

  async #serveMetrics(): Promise<void> {
    const { config, metricsText, metrics, log } = this.#parts;
    const { address, token } = config.metrics;
    // The supervisor of several processes serves them.
    if (address && !metricsText) this.#ownMetrics = await serveMetrics(address, { metrics, token, log });
  }

  #faults(): Record<string, string> {
    const { fault } = this.#parts.keeper;
    if (this.#handedOver) return {};
    return { ...(fault !== null && { serving: fault }), ...(this.hub.draining && { hub: "draining" }) };
  }

  async #end({ drain, handOver = false }: Stop): Promise<void> {
    const { keeper, identity, progress, background, writer, backend } = this.#parts;
    const whenCut = this.#cut.signal.aborted ? Promise.resolve() : once(this.#cut.signal, "abort");
    this.#handedOver = handOver;
    background.cancelStart();
    endWithNextAnswer(this.#server);
    const drained = drain && !keeper.givesWay ? this.hub.drain() : Promise.resolve();
    // A waiting successor must not wait for clients.
    await Promise.race([handOver ? handOverPort(this.#server, drained) : drained, keeper.replaced, whenCut]);
    if (this.#cut.signal.aborted) await this.hub.endConnections();
    progress.close();
    await background.close();
    backend.presence.hold();
    const isSucceeded = keeper.givesWay;
    if (!isSucceeded) await this.hub.close();
    await writer.flush(keeper.mayWrite && !identity.isLost ? LAST_FLUSH_MS : 0);
    await writer.close();
    await keeper.release();
    if (isSucceeded && drain) await Promise.race([this.hub.drain({ successor: true }), whenCut]);
    if (isSucceeded) await this.hub.close();
    await backend.close();
    this.#ownMetrics?.close();
    this.#ownMetrics?.closeAllConnections();
  }
}

function createServerOf(parts: NodeParts, readiness: Readiness): Server {
  const { config, hub, backend, metrics, metricsText, log } = parts;
  const pages = new Pages({ log });
  const text = {
    contentType: metrics.contentType,
    text: reused(metricsText ?? (() => metrics.text()), METRICS_REUSE_MS),
  };
  return createHttpServer({
    api: new HttpApi(hub.services, hub.failures, config.times.requestTimeoutMs),
    metrics: config.metrics.address ? null : { text, token: config.metrics.token },
    readiness,
    warnings: backend.warnings,
    page: (request, url, response) => pages.serve(request, url, response),
    basePath: config.basePath,
    times: { keepAliveMs: config.times.keepAliveMs, ...parts.httpTimes },
    log,
  });
}
