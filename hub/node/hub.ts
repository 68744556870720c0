import type { Server as HttpServer } from "node:http";
import type { Socket } from "socket.io";
import type { Authorizer } from "../auth/authorizer.ts";
import type { Touched } from "../auth/facts.ts";
import type { TokenVerifier } from "../auth/tokens.ts";
import { type RequestOutcome, RequestReceiver, Requests } from "../commands/requests.ts";
import type { Services } from "../commands/services.ts";
import type { HubConfig } from "../config/config.ts";
import type { LiveConnections } from "../connections/live-connections.ts";
import { SharedConnections } from "../connections/shared-connections.ts";
import type { SocketAdapter } from "../connections/socket-adapter.ts";
import { concerns, type Invited } from "../feed/invited.ts";
import type { Inspection } from "../inspection/inspection.ts";
import type { ObservedBroker } from "../inspection/observed-broker.ts";
import { inspectionOf } from "../inspection/of-hub.ts";
import { HubError } from "../kernel/errors.ts";
import type { Logger } from "../kernel/log.ts";
import { OrderedMap } from "../kernel/ordered-map.ts";
import { RepeatedLines } from "../kernel/repeated-lines.ts";
import type { PresenceStore } from "../presence/presence.ts";
import type { RpcRouter } from "../rpc/call.ts";
import { Connection, type ConnectionLimits } from "../socket/connection.ts";
import { receiveWith } from "../socket/decoder.ts";
import { DeliveryLog } from "../socket/delivery-log.ts";
import { checkDirectFrames } from "../socket/direct-frames.ts";
import { intakeOf } from "../socket/engine.ts";
import { FailedHandshakes } from "../socket/failed-handshakes.ts";
import { FanOut } from "../socket/fan-out.ts";
import { Handshake } from "../socket/handshake.ts";
import type { OriginPolicy } from "../socket/origin-policy.ts";
import { endTransport, type OutboundShared } from "../socket/outbound.ts";
import { PrincipalLimiter, welcomeLimits } from "../socket/principal-limits.ts";
import { SocketServer } from "../socket/socket-server.ts";
import type { Subscription } from "../socket/subscription.ts";
import { TokenClock } from "../socket/token-clock.ts";
import { Drain, drainingError } from "./drain.ts";
import { RightsWatch } from "./rights-watch.ts";

export interface HubTimes {
  pingIntervalMs: number;
  pingTimeoutMs: number;
  requestTimeoutMs: number;
  rightsCheckMs: number;
  drainMs: number;
}

/** What the router of all methods needs of the hub. */
export interface RpcParts {
  connections: LiveConnections;
  inspection: Inspection;
  /** A committed call changed rows on which rights or presence depend. */
  onTouched(touched: Touched[]): void;
}

/** The implementations and numbers that a hub consists of. */
export interface HubParts {
  nodeId: string;
  broker: ObservedBroker;
  presence: PresenceStore;
  authorizer: Authorizer;
  verifier: TokenVerifier;
  /** Creates the router of all methods. */
  createRpc(parts: RpcParts): RpcRouter;
  limits: HubConfig["limits"];
  times: HubTimes;
  /** The path of Socket.IO, without a slash at its end. */
  socketPath: string;
  /** Whether clients may use long-polling, whose requests must all reach this node. */
  polling: boolean;
  /** Creates the adapter through which nodes query each other; null: there is no other node. */
  adapter: SocketAdapter["create"] | null;
  origins: OriginPolicy;
  trustProxy: number;
  /** Why no request is served now; null: requests are served. */
  refusal(): HubError | null;
  log: Logger;
  observe(outcome: RequestOutcome): void;
  /** Called when a connection ended, with the code of the hub's error or with Socket.IO's reason. */
  observeEnd(reason: string): void;
}

/** The clients' side of a node: it accepts connections, executes their requests, and ends them. */
export class Hub {
  readonly services: Services;
  readonly fanOut: FanOut;
  /** Connections that ended without a principal, by network. */
  readonly failures: FailedHandshakes;
  readonly nodeId: string;
  readonly #parts: HubParts;
  readonly #sockets: SocketServer;
  readonly #connections = new OrderedMap<Connection>();
  readonly #connectionLimits: ConnectionLimits;
  readonly #principals: PrincipalLimiter;
  /** Sockets that were admitted and are not connected yet. They are few. */
  readonly #arriving = new Set<Socket>();
  readonly #clock = new TokenClock();
  readonly #requests: Requests;
  readonly #rights: RightsWatch;
  readonly #log: Logger;
  readonly #lines = new RepeatedLines();
  readonly #drain: Drain;
  #draining = false;
  #ended: Promise<void> | null = null;

  constructor(parts: HubParts) {
    this.#parts = parts;
    this.#log = parts.log;
    this.nodeId = parts.nodeId;
    checkDirectFrames(parts.log);
    this.#connectionLimits = {
      ...parts.limits,
      outbound: { maxBytes: parts.limits.outboundBytes, direct: 0, queued: 0 },
    };
    this.#drain = new Drain(this.#connections, parts.times.drainMs);
    const { nodeId, broker, presence, authorizer, verifier, limits, refusal, times, trustProxy, log } = parts;
    const lines = this.#lines;
    const deliveries = new DeliveryLog();
    this.#principals = new PrincipalLimiter({
      limits: limits.principals,
      connection: limits,
      connections: limits.connectionsPerPrincipal,
      requestTimeoutMs: times.requestTimeoutMs,
    });
    this.fanOut = new FanOut(broker, presence, deliveries);
    this.failures = new FailedHandshakes({ perSecond: limits.failedHandshakesPerSecond, trustProxy, log });
    const handshake = new Handshake({ ...parts, lines });
    this.#sockets = new SocketServer({
      ...parts,
      failures: this.failures,
      admit: (socket) => handshake.admit(socket, () => this.#refuseMore(socket)),
      onConnected: (socket) => this.#connected(socket),
    });
    const shared = { nodeId, authorizer, io: this.#sockets.io, log };
    const connections = new SharedConnections({ ...shared, connections: this.#connections });
    const inspection = inspectionOf({ ...shared, fanOut: this.fanOut, deliveries, broker, presence });
    this.services = {
      broker,
      presence,
      authorizer,
      verifier,
      rpc: parts.createRpc({ connections, inspection, onTouched: (touched) => this.touched(touched) }),
      limits,
      refusal,
      fanOut: this.fanOut,
      deliveries,
      principals: this.#principals,
    };
    this.#requests = new Requests({
      services: this.services,
      clock: this.#clock,
      timeoutMs: times.requestTimeoutMs,
      log,
      lines,
      observe: parts.observe,
    });
    this.#rights = new RightsWatch({
      services: this.services,
      connections: () => this.#connections.values(),
      intervalMs: times.rightsCheckMs,
      log,
    });
  }

  /** Frames sent since the start, by path. */
  get frames(): Readonly<Pick<OutboundShared, "direct" | "queued">> {
    return this.#connectionLimits.outbound;
  }

  get connectionCount(): number {
    return this.#connections.size;
  }
  /** The transports of all clients, including those not yet admitted. */
  get transportCount(): number {
    return this.#sockets.transportCount;
  }
  /** The open TCP connections, including those of HTTP calls. */
  get tcpSocketCount(): number {
    return this.#sockets.tcpSocketCount;
  }
  get draining(): boolean {
    return this.#draining;
  }
  get connections(): Iterable<Connection> {
    return this.#connections.values();
  }

  /** Serves Socket.IO on this server, beside the handlers that the server already has. */
  attach(server: HttpServer): void {
    this.#sockets.attach(server);
    this.#rights.start();
  }

  /** Rights or attachments may have changed: drops facts now, and checks connections again immediately. */
  touched(touched: Touched[]): void {
    this.#parts.authorizer.drop(touched);
    this.#rights.checkSoon();
  }

  /** Pushes to the connections of these people that the list of their invitations changed. */
  invited(invited: readonly Invited[]): void {
    for (const connection of this.#connections.values())
      if (concerns(invited, connection.principal)) connection.pushInvitations();
  }

  /** A newer connection of this workstation took over its presence. */
  presenceReplaced(connectionId: string, channel: string): void {
    const message = `A newer connection of this workstation joined ${channel}. Stop this one.`;
    this.#connections.get(connectionId)?.end(new HubError("replaced", message));
  }

  /**
   * While this node was cut off, the other nodes expired the connection's presence. The client must reconnect and join
   * again, to prove that it is alive.
   */
  presenceExpired(connectionId: string, channel: string): void {
    const message = `Presence on ${channel} expired while this node was cut off. Connect again.`;
    this.#connections.get(connectionId)?.end(new HubError("unavailable", message));
  }

  /**
   * Asks all clients to reconnect, spread over time, and serves each until it disconnects. Presence is kept. Resolves when
   * all are gone, at the latest after `drainMs`. `successor`: another hub serves, so clients reconnect as soon as load
   * balancers have detected that, also in the middle of a slower drain.
   */
  drain({ successor = false } = {}): Promise<void> {
    this.#draining = true;
    this.services.presence.hold();
    return this.#drain.begin(successor);
  }

  /** Ends every connection, within a second even if peers don't answer. */
  endConnections(): Promise<void> {
    this.#ended ??= this.#endConnections();
    return this.#ended;
  }

  async #endConnections(): Promise<void> {
    this.#draining = true;
    this.services.presence.hold();
    const checked = this.#rights.close();
    for (const connection of this.#connections.values()) connection.end(drainingError());
    await this.#sockets.close();
    await checked;
  }

  /** Ends every connection and all timers. */
  async close(): Promise<void> {
    await this.endConnections();
    this.#requests.close();
    this.#lines.close();
    this.#principals.close();
    await this.services.presence.close();
    await this.services.broker.close();
  }

  /** Rejects a socket over the limits. An admitted one counts from now on. */
  #refuseMore(socket: Socket): HubError | null {
    const refusal = this.#draining ? drainingError() : this.#parts.refusal();
    if (refusal) return refusal;
    const { key, principal } = Handshake.admitted(socket);
    const retryAfterMs = this.#principals.takeConnect(principal, key, performance.now());
    if (retryAfterMs > 0) return connectsTooOften(retryAfterMs);
    let count = this.#principals.connectionsOf(key);
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
    const share = this.#principals.connect(admission.principal, admission.key);
    const connection = new Connection(socket, admission, this.#connectionLimits, share);
    connection.onDrained = (behind) => this.#catchUp(connection, behind);
    this.#connections.set(connection.id, connection);
    intakeOf(socket.conn).admit(connection);
    receiveWith(socket, new RequestReceiver(this.#requests, connection));
    socket.on("disconnect", (reason) => {
      // A client that leaves the namespace sends nothing else.
      endTransport(socket.conn);
      void this.#disconnected(connection, reason);
    });
    const expiresInMs = expiresAt === null ? null : Math.max(0, expiresAt - Date.now());
    connection.push("welcome", {
      protocol: 1,
      connectionId: connection.id,
      nodeId: this.nodeId,
      serverTime: Date.now(),
      expiresInMs,
      principal: info,
      limits: welcomeLimits(this.#parts.limits, share),
    });
    this.#clock.watch(connection, expiresAt);
    if (this.#draining) this.#drain.sendAway(connection, 0);
  }

  #catchUp(connection: Connection, behind: Subscription[]): void {
    this.fanOut.catchUp(behind).catch((error: unknown) => {
      this.#log.error({ err: error, connectionId: connection.id }, "a roster could not be sent again");
      connection.end(new HubError("unavailable", "The roster could not be read. Connect again."));
    });
  }

  async #disconnected(connection: Connection, reason: string): Promise<void> {
    this.#connections.delete(connection.id);
    this.#parts.observeEnd(connection.ending?.code ?? reason);
    this.#principals.disconnect(connection.share, performance.now());
    this.#clock.forget(connection);
    for (const subscription of connection.subscriptions.values()) this.fanOut.remove(subscription);
    connection.subscriptions.clear();
    const hasLeft = reason === "client namespace disconnect" && !connection.goawaySent && !connection.ending;
    const parting = revoked(connection.ending) ? "revoked" : hasLeft ? "left" : null;
    for (const { name } of connection.joined) await this.#part(connection, name, parting);
    if (this.#connections.size === 0) this.#drain.isEmpty();
  }

  async #part(connection: Connection, channel: string, reason: "left" | "revoked" | null): Promise<void> {
    try {
      if (reason) await this.services.presence.leave(channel, connection.id, reason);
      else await this.services.presence.lose(channel, connection.id);
    } catch (error) {
      // A connection that was replaced, or left a moment ago, holds nothing any more.
      const nothingHeld = error instanceof HubError && (error.code === "replaced" || error.code === "not_joined");
      if (!nothingHeld) this.#log.error({ err: error, channel, connectionId: connection.id }, "presence was not ended");
    }
  }
}

function revoked(ending: HubError | null): boolean {
  return ending !== null && ["suspended", "unauthenticated", "forbidden"].includes(ending.code);
}

function connectsTooOften(retryAfterMs: number): HubError {
  const message = "This principal connects too often. Keep connections open, or wait.";
  return new HubError("rate_limited", message, { retryAfterMs });
}
