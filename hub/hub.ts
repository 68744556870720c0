import type { Server as HttpServer } from "node:http";
import type { Socket as TcpSocket } from "node:net";
import type { Limits } from "@monster-realtime/client/protocol";
import { Server, type Socket } from "socket.io";
import type { Authorizer } from "./auth/authorizer.ts";
import type { TokenVerifier } from "./auth/tokens.ts";
import type { Services } from "./commands/services.ts";
import { Connection, type ConnectionLimits } from "./connection.ts";
import type { LiveConnections } from "./connections/live-connections.ts";
import { SharedConnections } from "./connections/shared-connections.ts";
import type { SocketAdapter } from "./connections/socket-adapter.ts";
import { parser } from "./decoder.ts";
import { HubError } from "./errors.ts";
import { FanOut } from "./fan-out.ts";
import { guardEngine, type OriginPolicy } from "./gate.ts";
import { Handshake } from "./handshake.ts";
import type { ObservedBroker } from "./inspection/accepted.ts";
import { DeliveryLog } from "./inspection/delivery-log.ts";
import type { Inspection } from "./inspection/inspection.ts";
import { inspectionOf } from "./inspection/of-hub.ts";
import type { Logger } from "./log.ts";
import type { PresenceStore } from "./presence/presence.ts";
import { type RequestOutcome, Requests } from "./requests.ts";
import { RightsWatch } from "./rights-watch.ts";
import type { RpcRouter, Touched } from "./rpc/context.ts";
import type { Subscription } from "./subscription.ts";
import { TokenClock } from "./token-clock.ts";
import { paceUpgrades } from "./upgrade-queue.ts";

export interface HubTimes {
  pingIntervalMs: number;
  pingTimeoutMs: number;
  requestTimeoutMs: number;
  rightsCheckMs: number;
  drainMs: number;
}

/** The implementations and numbers that a hub is made of. */
export interface HubParts {
  nodeId: string;
  broker: ObservedBroker;
  presence: PresenceStore;
  authorizer: Authorizer;
  verifier: TokenVerifier;
  rpc: RpcRouter;
  limits: Limits & ConnectionLimits & { rpcBytes: number; connectionsPerPrincipal: number };
  times: HubTimes;
  /** Whether clients may speak by long-polling, whose requests must all reach this node. */
  polling: boolean;
  /** By which nodes ask each other; null: there is no other node. */
  adapter: SocketAdapter["create"] | null;
  origins: OriginPolicy;
  trustProxy: number;
  log: Logger;
  observe(outcome: RequestOutcome): void;
}

/** How long a client that was told to go may stay over its time. */
const GOAWAY_SLACK_MS = 2_000;
/** How long peers have to answer the end of their connections when the hub closes. */
const CLOSE_LIMIT_MS = 1_000;
/** How far apart clients are sent away: a node takes in about this many a second. */
const GOAWAY_PER_SECOND = 500;
/** A request of the transport's maximum must still be refused with its connection kept. */
const TRANSPORT_FACTOR = 3;

/** One node: it takes connections in, carries out their requests, and lets them go. */
export class Hub {
  readonly services: Services;
  readonly fanOut: FanOut;
  readonly nodeId: string;
  /** Those of all nodes. */
  readonly liveConnections: LiveConnections;
  readonly inspection: Inspection;
  readonly #parts: HubParts;
  readonly #io: Server;
  readonly #connections = new Map<string, Connection>();
  /** How many connections each principal has. */
  readonly #ofPrincipal = new Map<string, number>();
  /** Let in, and not connected yet: few, and soon over. */
  readonly #arriving = new Set<Socket>();
  readonly #sockets = new Set<TcpSocket>();
  readonly #clock = new TokenClock();
  readonly #requests: Requests;
  readonly #rights: RightsWatch;
  readonly #log: Logger;
  #draining = false;
  #gone: (() => void) | null = null;

  constructor(parts: HubParts) {
    this.#parts = parts;
    this.#log = parts.log;
    this.nodeId = parts.nodeId;
    const { broker, presence, authorizer, verifier, rpc, limits } = parts;
    const deliveries = new DeliveryLog();
    this.fanOut = new FanOut(broker, presence, deliveries);
    this.services = { broker, presence, authorizer, verifier, rpc, limits, fanOut: this.fanOut, deliveries };
    this.#requests = new Requests({
      services: this.services,
      clock: this.#clock,
      timeoutMs: parts.times.requestTimeoutMs,
      log: parts.log,
      observe: parts.observe,
    });
    this.#rights = new RightsWatch({
      services: this.services,
      connections: () => this.#connections.values(),
      intervalMs: parts.times.rightsCheckMs,
      log: parts.log,
    });
    this.#io = new Server({
      serveClient: false,
      ...(parts.adapter && { adapter: parts.adapter }),
      transports: parts.polling ? ["websocket", "polling"] : ["websocket"],
      pingInterval: parts.times.pingIntervalMs,
      pingTimeout: parts.times.pingTimeoutMs,
      connectTimeout: parts.times.requestTimeoutMs,
      maxHttpBufferSize: limits.rpcBytes * TRANSPORT_FACTOR,
      perMessageDeflate: false,
      httpCompression: false,
      parser,
      cors: { origin: (origin, callback) => callback(null, parts.origins.allowed(origin)) },
      allowRequest: (request, callback) => {
        const refusal = parts.origins.refuses(request);
        callback(refusal, refusal === null);
      },
    });
    guardEngine(this.#io);
    const { nodeId, log } = parts;
    this.liveConnections = new SharedConnections({
      nodeId,
      connections: this.#connections,
      authorizer,
      io: this.#io,
      log,
    });
    const { fanOut } = this;
    this.inspection = inspectionOf({ nodeId, fanOut, deliveries, broker, presence, authorizer, io: this.#io, log });
    const handshake = new Handshake(parts.verifier, parts.authorizer, parts.trustProxy, parts.log);
    this.#io.use((socket, next) => {
      handshake.admit(socket, () => this.#refuseMore(socket)).then(() => next(), next);
    });
    this.#io.on("connection", (socket) => this.#connected(socket));
  }

  get connectionCount(): number {
    return this.#connections.size;
  }
  get draining(): boolean {
    return this.#draining;
  }
  get connections(): Iterable<Connection> {
    return this.#connections.values();
  }

  /** Serves Socket.IO on this server, beside whatever it serves already. */
  attach(server: HttpServer): void {
    this.#io.attach(server);
    paceUpgrades(server);
    const sockets = this.#sockets;
    function forget(this: TcpSocket): void {
      sockets.delete(this);
    }
    // One listener for all: a closure for each would be held for as long as its connection.
    server.on("connection", (socket) => {
      sockets.add(socket);
      socket.on("close", forget);
    });
    this.#rights.start();
  }

  /** Rights or attachments may have changed: facts are dropped now, connections are checked again at once. */
  touched(touched: Touched[]): void {
    this.#parts.authorizer.drop(touched);
    this.#rights.checkSoon();
  }

  /** A newer connection of this workstation took over its presence. */
  replaced(connectionId: string, channel: string): void {
    const connection = this.#connections.get(connectionId);
    connection?.end(
      new HubError("replaced", `A newer connection of this workstation joined ${channel}. Stop this one.`),
    );
  }

  /**
   * While this node was cut off, the others held the connection for dead. It has to come back and join again, to show
   * that it is there.
   */
  gaveUp(connectionId: string, channel: string): void {
    this.#connections
      .get(connectionId)
      ?.end(
        new HubError("unavailable", `Presence on ${channel} was given up while this node was cut off. Connect again.`),
      );
  }

  /**
   * Sends every client away, spread over time, and serves each until it goes. Presence is kept. Resolves when all are
   * gone, at the latest after `drainMs`.
   */
  async drain(): Promise<void> {
    if (this.#draining) return;
    this.#draining = true;
    this.services.presence.hold();
    const connections = [...this.#connections.values()];
    const spreadMs = Math.min(this.#parts.times.drainMs / 2, (connections.length * 1000) / GOAWAY_PER_SECOND);
    connections.forEach((connection, index) => {
      this.#sendAway(connection, Math.round((index * spreadMs) / connections.length));
    });
    if (this.#connections.size === 0) return;
    await new Promise<void>((resolve) => {
      this.#gone = resolve;
      setTimeout(resolve, this.#parts.times.drainMs).unref();
    });
  }

  /** Ends every connection and all timers, within a second also where peers don't answer. */
  async close(): Promise<void> {
    this.#draining = true;
    this.services.presence.hold();
    const checked = this.#rights.close();
    for (const connection of this.#connections.values()) connection.end(drainingError());
    // A peer that is frozen would keep its socket, and so the server, for half a minute.
    const cut = setTimeout(() => {
      for (const socket of this.#sockets) socket.destroy();
    }, CLOSE_LIMIT_MS);
    await this.#io.close();
    clearTimeout(cut);
    await checked;
    this.#requests.close();
    await this.services.presence.close();
    await this.services.broker.close();
  }

  #sendAway(connection: Connection, reconnectInMs: number): void {
    connection.goingAway = true;
    connection.push("goaway", { reason: "The hub is restarting.", reconnectInMs });
    setTimeout(() => connection.end(drainingError()), reconnectInMs + GOAWAY_SLACK_MS).unref();
  }

  /** Refuses what is too much; what is let in counts from now on. */
  #refuseMore(socket: Socket): HubError | null {
    if (this.#draining) return drainingError();
    const { key } = Handshake.admitted(socket);
    let count = this.#ofPrincipal.get(key) ?? 0;
    for (const arriving of this.#arriving) {
      if (arriving.conn.readyState !== "open") this.#arriving.delete(arriving);
      else if (Handshake.admitted(arriving).key === key) count += 1;
    }
    if (count < this.#parts.limits.connectionsPerPrincipal) {
      this.#arriving.add(socket);
      return null;
    }
    return new HubError("rate_limited", `${count} connections of this principal are open. Close some first.`, {
      retryAfterMs: 10_000,
    });
  }

  #connected(socket: Socket): void {
    this.#arriving.delete(socket);
    const admission = Handshake.take(socket);
    const { info, expiresAt } = admission;
    const connection = new Connection(socket, admission, this.#parts.limits);
    connection.onDrained = (behind) => this.#catchUp(connection, behind);
    this.#connections.set(connection.id, connection);
    this.#ofPrincipal.set(connection.key, (this.#ofPrincipal.get(connection.key) ?? 0) + 1);
    socket.onAny((event: unknown, ...values: unknown[]) => {
      if (connection.live) void this.#requests.handle(connection, event, values);
    });
    socket.on("disconnect", (reason) => {
      void this.#disconnected(connection, reason);
    });
    const { messageBytes, metaBytes, recoveryBytes, channelsPerConnection } = this.#parts.limits;
    const { publishesPerSecond, rpcsPerSecond, requestsPerSecond } = this.#parts.limits;
    const expiresInMs = expiresAt === null ? null : Math.max(0, expiresAt - Date.now());
    connection.push("welcome", {
      protocol: 1,
      connectionId: connection.id,
      nodeId: this.nodeId,
      serverTime: Date.now(),
      expiresInMs,
      principal: info,
      limits: {
        messageBytes,
        metaBytes,
        recoveryBytes,
        channelsPerConnection,
        publishesPerSecond,
        rpcsPerSecond,
        requestsPerSecond,
      },
    });
    this.#clock.watch(connection, expiresAt);
    if (this.#draining) this.#sendAway(connection, 0);
  }

  #catchUp(connection: Connection, behind: Subscription[]): void {
    this.fanOut.catchUp(behind).catch((error: unknown) => {
      this.#log.error({ err: error, connectionId: connection.id }, "a roster could not be sent again");
      connection.end(new HubError("unavailable", "The roster could not be read. Connect again."));
    });
  }

  async #disconnected(connection: Connection, reason: string): Promise<void> {
    this.#connections.delete(connection.id);
    const others = (this.#ofPrincipal.get(connection.key) ?? 1) - 1;
    if (others > 0) this.#ofPrincipal.set(connection.key, others);
    else this.#ofPrincipal.delete(connection.key);
    this.#clock.forget(connection);
    for (const subscription of connection.subscriptions.values()) this.fanOut.remove(subscription);
    connection.subscriptions.clear();
    const saidGoodbye = reason === "client namespace disconnect" && !connection.goingAway && !connection.ending;
    const parting = revoked(connection.ending) ? "revoked" : saidGoodbye ? "left" : null;
    for (const { name } of connection.joined) await this.#part(connection, name, parting);
    if (this.#connections.size === 0) this.#gone?.();
  }

  async #part(connection: Connection, channel: string, reason: "left" | "revoked" | null): Promise<void> {
    try {
      if (reason) await this.services.presence.leave(channel, connection.id, reason);
      else await this.services.presence.lose(channel, connection.id);
    } catch (error) {
      // Whoever was replaced, or left a moment ago, holds nothing any more.
      const nothingHeld = error instanceof HubError && (error.code === "replaced" || error.code === "not_joined");
      if (!nothingHeld) this.#log.error({ err: error, channel, connectionId: connection.id }, "presence was not ended");
    }
  }
}

function revoked(ending: HubError | null): boolean {
  return ending !== null && ["suspended", "unauthenticated", "forbidden"].includes(ending.code);
}

function drainingError(): HubError {
  return new HubError("draining", "This node is shutting down. Connect again to reach another.", {
    retryAfterMs: 1_000,
  });
}
