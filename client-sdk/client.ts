import { abortable } from "./abortable.ts";
import { backoffDelayMs } from "./backoff.ts";
import { Connection } from "./connection.ts";
import type { ConnectionState } from "./connection-state.ts";
import { Emitter } from "./emitter.ts";
import {
  asRealtimeError,
  ConnectionClosedError,
  DisconnectedError,
  errorFromObject,
  type RealtimeError,
} from "./errors.ts";
import { jsonCopy } from "./json.ts";
import type { Push } from "./link.ts";
import { type ClientOptions, type ResolvedOptions, resolveOptions } from "./options.ts";
import { ChannelPresence } from "./presence.ts";
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
} from "./protocol/index.ts";
import { Publisher, type PublishOptions } from "./publisher.ts";
import { Requester, type RequestOptions, type RpcOptions } from "./rpc.ts";
import { Subscription } from "./subscription.ts";
import type { HistoryQuery, SubscribeOptions, SubscriptionParts } from "./subscription-events.ts";
import { Timer } from "./timer.ts";
import { TokenRefresh } from "./token-refresh.ts";
import type { Wire } from "./wire.ts";

/** The first retry of a single request comes sooner than that of a whole connection. */
const REQUEST_BASE_DELAY_MS = 100;

/** What a client tells, with the arguments of its handlers. */
export type ClientEvents = {
  state: [state: ConnectionState, previous: ConnectionState];
  /** On every connection, the first and those after it. */
  welcome: [welcome: Welcome];
  /** What a handler threw, a token refresh that failed, the reason of the client's end. Without a listener, the console's. */
  error: [error: RealtimeError];
  /** The node drains; the client moves by itself after `reconnectInMs`. */
  goaway: [{ reason: string; reconnectInMs: number }];
  /** The token runs out soon; a token function is asked by itself. */
  tokenExpiring: [{ expiresInMs: number }];
  /** The user was invited, or an invitation ended: `organizations.invitations` answers something else now. */
  invitations: [Record<string, never>];
};

/** A client of one hub. Nothing is sent before `connect()`. Throws InvalidArgumentError for options that can't work. */
export function createClient(options: ClientOptions): Client {
  return new Client(options);
}

/** One principal's connection to the hub, with its subscriptions, presence, publications and calls. */
export class Client {
  readonly #options: ResolvedOptions;
  readonly #connection: Connection;
  /** What an "error" handler throws must not come back to it for ever. */
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

  /** Connects and stays connected. Resolves at the first welcome, however long that takes; rejects where the hub refuses for good. */
  connect(): Promise<Welcome> {
    this.#connection.connect();
    const { state } = this;
    if (state.name === "closed") return Promise.reject(new ConnectionClosedError(state.error));
    return this.#whenConnected(null, undefined, (reason) => reason ?? new ConnectionClosedError(null));
  }

  /**
   * Drops the connection, or the wait for the next one, and connects at once: for a machine that slept or changed its
   * network, whose connection may be dead without anybody having noticed. Presence stays, subscriptions recover. Means
   * nothing before `connect()` and after the client's end.
   */
  reconnect(): void {
    this.#connection.reconnect();
  }

  /**
   * Ends the client for good: what waits is rejected, and presence leaves at once. Without `goodbye` the hub takes it for a
   * lost connection and keeps the presence for the grace time: for programs that restart.
   */
  async close({ goodbye = true }: { goodbye?: boolean } = {}): Promise<void> {
    const joined = [...this.#presences.values()].filter((presence) => presence.joined);
    await this.#connection.close({ goodbye, joined: joined.map(({ channel }) => channel) });
  }

  /**
   * Follows a channel, at once or as soon as there is a connection. The same channel twice is the same subscription, which
   * ends when each has been unsubscribed; the first one's `recover` counts.
   */
  subscribe<Name extends Channel>(channel: Name, options: SubscribeOptions = {}): Subscription<Name> {
    const known = this.#subscriptions.get(channel);
    const subscription = known ?? this.#makeSubscription(channel, options);
    subscription.hold(options.presence ?? false);
    if (!known) this.#start(subscription);
    return subscription as unknown as Subscription<Name>;
  }

  /** This client's own presence on a channel: the same object for the same channel. */
  presence<Name extends Channel>(channel: Name): ChannelPresence<Name> {
    const known = this.#presences.get(channel);
    const presence = known ?? new ChannelPresence(channel as string, this.#wire);
    this.#presences.set(channel, presence);
    if (this.state.name === "closed") presence.closed(new ConnectionClosedError(this.state.error));
    return presence as unknown as ChannelPresence<Name>;
  }

  /** Publishes, over reconnects, exactly once; see Publisher.publish for what it rejects with. */
  publish(channel: Channel, type: string, payload: unknown, options: PublishOptions = {}): Promise<PublishReply> {
    const { state } = this;
    if (state.name === "closed") return Promise.reject(new ConnectionClosedError(state.error));
    return this.#publisher.publish(channel, type, payload, options);
  }

  /** Calls a method of the hub. Reads, and calls with an `idempotencyKey`, are repeated after temporary failures. */
  async rpc<Method extends RpcMethod>(
    method: Method,
    params: RpcParams<Method>,
    { idempotencyKey, ...options }: RpcOptions = {},
  ): Promise<RpcResult<Method>> {
    const request = { method, params: jsonCopy(params, "params"), ...(idempotencyKey ? { idempotencyKey } : {}) };
    return (await this.#requester.rpc(request, options)) as RpcResult<Method>;
  }

  /** Stored publications, oldest first: `after` and `before` are exclusive offsets; `complete: false` says that some were trimmed. */
  history(channel: Channel, query: HistoryQuery = {}, options: RequestOptions = {}): Promise<HistoryReply> {
    return this.request("history", { ...query, channel }, options);
  }

  /** Any request of the protocol, sent once and answered as the hub answers it. */
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

  /** Presence first: its grace time runs. Publications last, so that subscribers here hear them live. */
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
    // What was closed on purpose has not failed.
    for (const subscription of [...this.#subscriptions.values()]) subscription.closed(reason && error);
    this.#publisher.closed(error);
  }

  /** Pushes that this version does not know never come here. */
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
      // `welcome`, `goaway` and `invitations` are the application's alone.
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
    const isHeard = this.#events.emit("error", error);
    if (!isHeard) logFailure(error);
  }
}

function logFailure(failure: unknown): void {
  console.error("Monster Realtime:", failure);
}
