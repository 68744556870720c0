// biome-ignore assist/source/organizeImports: Socket.IO, behind the connection, stands first in a bundle and compresses it.
import { Connection } from "../connection/connection.ts";
import { ChannelPresence } from "../channels/presence.ts";
import { Publisher, type PublishOptions } from "../channels/publisher.ts";
import { Subscription } from "../channels/subscription.ts";
import type { HistoryQuery, SubscribeOptions, SubscriptionParts } from "../channels/subscription-events.ts";
import type { ConnectionState } from "../connection/connection-state.ts";
import type { Push } from "../connection/link.ts";
import { type ClientOptions, type ResolvedOptions, resolveOptions } from "../connection/options.ts";
import { TokenRefresh } from "../connection/token-refresh.ts";
import type { Wire } from "../connection/wire.ts";
import { abortable } from "../kernel/abortable.ts";
import { backoffDelayMs } from "../kernel/backoff.ts";
import { Emitter } from "../kernel/emitter.ts";
import {
  asRealtimeError,
  ConnectionClosedError,
  DisconnectedError,
  errorFromObject,
  type RealtimeError,
} from "../kernel/errors.ts";
import { jsonCopy } from "../kernel/json.ts";
import { Timer } from "../kernel/timer.ts";
import type {
  Channel,
  HistoryReply,
  PublishReply,
  RequestName,
  Requests,
  RpcMethod,
  RpcParams,
  RpcResult,
  Welcome,
} from "../protocol/index.ts";
import { Requester, type RequestOptions, type RpcOptions } from "./rpc.ts";

/** A single request retries sooner than a whole connection. */
const REQUEST_BASE_DELAY_MS = 100;

/** The client's events, with the arguments of their handlers. */
export type ClientEvents = {
  state: [state: ConnectionState, previous: ConnectionState];
  /** Emitted on every connection, including the first. */
  welcome: [welcome: Welcome];
  /**
   * An error that a handler threw, a failed token refresh, or the reason the client closed. Without a listener it is
   * logged to the console.
   */
  error: [error: RealtimeError];
  /** The node drains. The client moves to another node by itself after `reconnectInMs`. */
  goaway: [{ reason: string; reconnectInMs: number }];
  /** The token expires soon. The client calls a token function by itself. */
  tokenExpiring: [{ expiresInMs: number }];
  /** The user was invited, or an invitation ended: call `organizations.invitations` again. */
  invitations: [Record<string, never>];
};

/**
 * Creates a client of one hub. It sends nothing before `connect()`. Throws InvalidArgumentError for invalid options.
 */
export function createClient(options: ClientOptions): Client {
  return new Client(options);
}

/** One principal's connection to the hub, with its subscriptions, presence, publications and calls. */
export class Client {
  readonly #options: ResolvedOptions;
  readonly #connection: Connection;
  /** An error thrown by an "error" handler is logged, not emitted: emitting it would loop. */
  readonly #events = new Emitter<ClientEvents>((thrown, name) =>
    name === "error" ? logFailure(thrown) : this.#report(thrown),
  );
  readonly #wire: Wire;
  readonly #subscriptions = new Map<string, Subscription>();
  readonly #presences = new Map<string, ChannelPresence>();
  readonly #publisher: Publisher;
  readonly #requester: Requester;
  readonly #refresh: TokenRefresh;

  /** @internal Use `createClient()`. */
  constructor(options: ClientOptions) {
    this.#options = resolveOptions(options);
    this.#connection = new Connection(this.#options, {
      push: (push) => this.#receive(push),
      changed: (state, previous) => this.#changed(state, previous),
    });
    this.#wire = this.#makeWire();
    this.#refresh = new TokenRefresh(this.#connection, this.#wire);
    this.#publisher = new Publisher(this.#wire, this.#options.offlineQueueLimit);
    this.#requester = new Requester({
      wire: this.#wire,
      timeoutMs: this.#options.requestTimeoutMs,
      whenConnected: async (limitMs, signal) => {
        if (this.state.name === "connected") return;
        await this.#whenConnected(limitMs, signal, (reason) => new ConnectionClosedError(reason));
      },
    });
  }

  get state(): ConnectionState {
    return this.#connection.state;
  }

  /** Calls `handler` at each event until the returned function is called. */
  on<Name extends keyof ClientEvents>(name: Name, handler: (...args: ClientEvents[Name]) => unknown): () => void {
    return this.#events.on(name, handler);
  }

  /**
   * Connects and stays connected. Resolves at the first welcome and waits for it without limit. Rejects if the hub
   * refuses permanently.
   */
  connect(): Promise<Welcome> {
    this.#connection.connect();
    const { state } = this;
    if (state.name === "closed") return Promise.reject(new ConnectionClosedError(state.error));
    return this.#whenConnected(null, undefined, (reason) => reason ?? new ConnectionClosedError(null));
  }

  /**
   * Drops the connection, or the wait for the next one, and connects immediately. Use it after the machine slept or
   * changed its network: the connection may be dead without an error. Presence stays and subscriptions recover. Does
   * nothing before `connect()` and after the client is closed.
   */
  reconnect(): void {
    this.#connection.reconnect();
  }

  /**
   * Closes the client permanently: pending calls are rejected, and presence leaves immediately. With `goodbye: false`
   * the hub treats it as a lost connection and keeps the presence for the grace period: use it for programs that
   * restart.
   */
  async close({ goodbye = true }: { goodbye?: boolean } = {}): Promise<void> {
    const joined = [...this.#presences.values()].filter((presence) => presence.joined);
    await this.#connection.close({ goodbye, joined: joined.map(({ channel }) => channel) });
  }

  /**
   * Subscribes to a channel now, or as soon as the client is connected. Subscribing twice to a channel returns the same
   * subscription. It ends after as many calls of `unsubscribe()`. Only the first call's `recover` applies.
   */
  subscribe<Name extends Channel>(channel: Name, options: SubscribeOptions = {}): Subscription<Name> {
    const known = this.#subscriptions.get(channel);
    const subscription = known ?? this.#makeSubscription(channel, options);
    subscription.hold(options.presence ?? false);
    if (!known) this.#start(subscription);
    return subscription as unknown as Subscription<Name>;
  }

  /** Returns this client's own presence on a channel: the same object for the same channel. */
  presence<Name extends Channel>(channel: Name): ChannelPresence<Name> {
    const known = this.#presences.get(channel);
    const presence = known ?? new ChannelPresence(channel as string, this.#wire);
    this.#presences.set(channel, presence);
    if (this.state.name === "closed") presence.closed(new ConnectionClosedError(this.state.error));
    return presence as unknown as ChannelPresence<Name>;
  }

  /** Publishes exactly once, across reconnects. See Publisher.publish for the errors it rejects with. */
  publish(channel: Channel, type: string, payload: unknown, options: PublishOptions = {}): Promise<PublishReply> {
    const { state } = this;
    if (state.name === "closed") return Promise.reject(new ConnectionClosedError(state.error));
    return this.#publisher.publish(channel, type, payload, options);
  }

  /** Calls a method of the hub. Reads, and calls with an `idempotencyKey`, are retried after temporary failures. */
  async rpc<Method extends RpcMethod>(
    method: Method,
    params: RpcParams<Method>,
    { idempotencyKey, ...options }: RpcOptions = {},
  ): Promise<RpcResult<Method>> {
    const request = { method, params: jsonCopy(params, "params"), ...(idempotencyKey ? { idempotencyKey } : {}) };
    return (await this.#requester.rpc(request, options)) as RpcResult<Method>;
  }

  /**
   * Returns stored publications, oldest first. `after` and `before` are exclusive offsets. `complete: false` means that
   * some were trimmed.
   */
  history(channel: Channel, query: HistoryQuery = {}, options: RequestOptions = {}): Promise<HistoryReply> {
    return this.request("history", { ...query, channel }, options);
  }

  /** Sends any request of the protocol once and returns the hub's reply. */
  request<Name extends RequestName>(
    name: Name,
    argument: Requests[Name]["request"],
    options: RequestOptions = {},
  ): Promise<Requests[Name]["reply"]> {
    return this.#requester.request(name, argument, options);
  }

  #makeWire(): Wire {
    const { requestTimeoutMs, reconnectMaxDelayMs, random } = this.#options;
    const backoff = { baseDelayMs: REQUEST_BASE_DELAY_MS, maxDelayMs: reconnectMaxDelayMs, random };
    const connection = this.#connection;
    return {
      get connected() {
        return connection.state.name === "connected";
      },
      send: (name, argument, settle, timeoutMs = requestTimeoutMs) =>
        connection.send(name, argument, timeoutMs, settle),
      retryDelayMs: (attempt, error) => (error?.retryAfterMs ?? 0) + backoffDelayMs(attempt, backoff),
      report: (thrown) => this.#report(thrown),
    };
  }

  #makeSubscription(channel: string, { recover }: SubscribeOptions): Subscription {
    const subscription = new Subscription(channel, this.#subscriptionParts(), recover ?? null);
    this.#subscriptions.set(channel, subscription);
    return subscription;
  }

  #subscriptionParts(): SubscriptionParts {
    return {
      wire: this.#wire,
      publish: (channel, type, payload, options) => this.publish(channel as Channel, type, payload, options),
      history: (channel, query) => this.history(channel as Channel, query),
      ended: (channel) => void this.#subscriptions.delete(channel),
      isFollowed: (channel) => this.#subscriptions.has(channel),
    };
  }

  #start(subscription: Subscription): void {
    const { state } = this;
    if (state.name === "connected") subscription.connected();
    if (state.name === "closed") subscription.closed(new ConnectionClosedError(state.error));
  }

  #changed(state: ConnectionState, previous: ConnectionState): void {
    if (previous.name === "connected") this.#disconnected();
    if (state.name === "connected") this.#connected();
    if (state.name === "closed") this.#closed(state.error);
    this.#events.emit("state", state, previous);
    if (state.name === "closed" && state.error) this.#report(state.error);
  }

  /**
   * Presence comes first because its grace period is running. Publications come last, so that local subscribers receive
   * them live.
   */
  #connected(): void {
    for (const part of [...this.#presences.values(), ...this.#subscriptions.values()]) part.connected();
    this.#publisher.connected();
  }

  #disconnected(): void {
    this.#refresh.stop();
    for (const part of [...this.#presences.values(), ...this.#subscriptions.values()]) part.disconnected();
  }

  #closed(reason: RealtimeError | null): void {
    const error = new ConnectionClosedError(reason);
    for (const presence of this.#presences.values()) presence.closed(error);
    // A subscription that was closed on purpose has not failed.
    for (const subscription of [...this.#subscriptions.values()]) subscription.closed(reason && error);
    this.#publisher.closed(error);
  }

  /** Push names that this version does not know are never passed here. */
  #receive(push: Push): void {
    switch (push.name) {
      case "publications":
        this.#subscriptions.get(push.args[0])?.receivePublications(push.args[1]);
        return;
      case "presence":
        this.#subscriptions.get(push.args[0])?.receivePresence(push.args[1]);
        return;
      case "unsubscribed":
        this.#subscriptions.get(push.args[0])?.receiveEnd(errorFromObject(push.args[1]));
        return;
      case "token.expiring":
        this.#events.emit("tokenExpiring", ...push.args);
        this.#refresh.start();
        return;
      // `welcome`, `goaway` and `invitations` are only for the application.
      default:
        this.#events.emit(push.name, ...(push.args as [never]));
    }
  }

  #whenConnected(
    limitMs: number | null,
    signal: AbortSignal | undefined,
    closedBy: (reason: RealtimeError | null) => RealtimeError,
  ): Promise<Welcome> {
    const timer = new Timer();
    let stop = () => {};
    const connected = new Promise<Welcome>((resolve, reject) => {
      const check = (state: ConnectionState) => {
        if (state.name === "connected") resolve(state.welcome);
        if (state.name === "closed") reject(closedBy(state.error));
      };
      stop = this.#events.on("state", check);
      if (limitMs !== null)
        timer.set(limitMs, () => reject(new DisconnectedError(`none in ${Math.round(limitMs)} ms`, { sent: false })));
      check(this.state);
    });
    return abortable(connected, signal).finally(() => {
      timer.clear();
      stop();
    });
  }

  #report(thrown: unknown): void {
    const error = asRealtimeError(thrown);
    const hasListener = this.#events.emit("error", error);
    if (!hasListener) logFailure(error);
  }
}

function logFailure(failure: unknown): void {
  console.error("Monster Realtime:", failure);
}
