import type { Channel, ParsedChannel, PrincipalInfo, Pushes } from "@monster-realtime/client/protocol";
import type { Socket } from "socket.io";
import { type Principal, principalKey } from "./auth/principal.ts";
import { type HubError, toErrorObject } from "./errors.ts";
import { encodeEvent, type Frame } from "./frame.ts";
import { Outbound } from "./outbound.ts";
import type { ClientInfo } from "./presence/presence.ts";
import type { Subscription } from "./subscription.ts";
import { TokenBucket } from "./token-bucket.ts";

export interface ConnectionLimits {
  outboundBytes: number;
  publishesPerSecond: number;
  rpcsPerSecond: number;
  requestsPerSecond: number;
}

/** How long an ended connection may take to read why, before its socket is cut. */
const LAST_WORDS_MS = 5_000;
/** How long before the end it is told of it. */
const CLOSING_MS = 20;

/** One client's connection: who it is, what it may use up, and what it holds on to. */
export class Connection {
  readonly id: string;
  /** Renewed by `auth.refresh`: the same one, perhaps with another audience. */
  principal: Principal;
  readonly key: string;
  readonly client: ClientInfo;
  readonly connectedAt = Date.now();
  readonly subscriptions = new Map<Channel, Subscription>();
  /** Channels whose presence this connection joined. */
  readonly joined = new Map<Channel, ParsedChannel>();
  /** Subscriptions that were spared presence diffs while this connection did not keep up. */
  readonly behind = new Set<Subscription>();
  readonly outbound: Outbound;
  readonly publishes: TokenBucket;
  readonly rpcs: TokenBucket;
  readonly requests: TokenBucket;
  /** Told to go: its disconnect is no goodbye. */
  goingAway = false;
  info: PrincipalInfo;
  #ending: HubError | null = null;
  /** The last request on each channel that is still at work. */
  readonly #working = new Map<string, Promise<unknown>>();
  readonly #socket: Socket;

  constructor(socket: Socket, principal: Principal, info: PrincipalInfo, client: ClientInfo, limits: ConnectionLimits) {
    this.#socket = socket;
    this.id = socket.id;
    this.principal = principal;
    this.key = principalKey(principal);
    this.info = info;
    this.client = client;
    this.publishes = new TokenBucket(limits.publishesPerSecond);
    this.rpcs = new TokenBucket(limits.rpcsPerSecond);
    this.requests = new TokenBucket(limits.requestsPerSecond);
    this.outbound = new Outbound(
      socket.conn,
      limits.outboundBytes,
      () => this.onSlow(this),
      () => this.onDrained(this),
    );
  }

  /** Set by the hub: the outbound cap is reached. */
  onSlow: (connection: Connection) => void = () => undefined;
  /** Set by the hub: everything queued has been handed over. */
  onDrained: (connection: Connection) => void = () => undefined;

  get live(): boolean {
    return this.#ending === null && this.#socket.connected;
  }

  /** Why the hub ended this connection, if it did. */
  get ending(): HubError | null {
    return this.#ending;
  }

  /** Sends what was encoded for many. */
  write(frame: Frame): void {
    if (this.live) this.#socket.conn.write(frame.packet, frame.options);
  }

  push<Name extends keyof Pushes>(name: Name, ...values: Pushes[Name]): void {
    this.write(encodeEvent(name, ...values.map((value) => JSON.stringify(value))));
  }

  /** Says why, then ends the connection; nothing else is sent or carried out any more. Ending twice does nothing. */
  end(error: HubError): void {
    if (!this.live) return;
    this.#ending = error;
    const told = JSON.stringify(toErrorObject(error));
    const engine = this.#socket.conn;
    const say = (event: "closing" | "disconnecting") => {
      const frame = encodeEvent(event, told);
      engine.write(frame.packet, frame.options);
    };
    say("closing");
    // Socket.IO's own clients reserve the name `disconnecting` and hang up when they read it: `closing` must be heard first.
    const hangUp = setTimeout(() => {
      say("disconnecting");
      engine.close();
    }, CLOSING_MS);
    const cut = setTimeout(() => engine.close(true), LAST_WORDS_MS).unref();
    engine.once("close", () => {
      clearTimeout(hangUp);
      clearTimeout(cut);
    });
  }

  /** Carries out the requests of one channel in the order of their arrival. */
  inOrder<Result>(channel: string, work: () => Promise<Result>): Promise<Result> {
    const before = this.#working.get(channel);
    const done = before ? before.then(work, work) : work();
    this.#working.set(channel, done);
    const clear = () => {
      if (this.#working.get(channel) === done) this.#working.delete(channel);
    };
    done.then(clear, clear);
    return done;
  }
}
