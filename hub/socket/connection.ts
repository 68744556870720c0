import type { Ack, Channel, ParsedChannel, Pushes } from "@monster-realtime/client/protocol";
import type { Socket } from "socket.io";
import type { Principal } from "../auth/principal.ts";
import { HubError, toErrorObject } from "../kernel/errors.ts";
import { Spaced } from "../kernel/spaced.ts";
import { TokenBucket } from "../kernel/token-bucket.ts";
import type { ClientInfo, OwnerTicket } from "../presence/presence.ts";
import type { Reader } from "./delivery-log.ts";
import { intakeOf } from "./engine.ts";
import { encodeAck, encodeEvent, type Frame } from "./frame.ts";
import type { Admission } from "./handshake.ts";
import { endTransport, Outbound, type OutboundShared } from "./outbound.ts";
import type { PrincipalShare } from "./principal-limits.ts";
import type { Subscriber, Subscription } from "./subscription.ts";

export interface ConnectionLimits {
  outbound: OutboundShared;
  publishesPerSecond: number;
  rpcsPerSecond: number;
  requestsPerSecond: number;
}

type ConnectedAs = Pick<Admission, "principal" | "client" | "program" | "ownerTicket">;

/** The last request at work, including those before it. `issued`: it is on its way in its place. `ended`: it is answered. */
interface Working {
  issued: Promise<unknown>;
  ended: Promise<unknown>;
}

/** A refresh costs a signature check: an honest client needs one in a token's lifetime. */
const REFRESH_BURST = 5;
const REFRESHES_PER_SECOND = 0.5;
/** The shortest time between two pushes of `invitations`. */
const INVITATIONS_INTERVAL_MS = 1_000;

/** One client's connection: its principal, its limits, and its subscriptions. */
export class Connection implements Subscriber {
  readonly id: string;
  /** Replaced by `auth.refresh`: the same principal, perhaps with another audience. */
  principal: Principal;
  readonly key: string;
  /** The limits of its principal over all its connections. */
  readonly share: PrincipalShare;
  readonly client: ClientInfo;
  /** The client's `name/version`; null if it sent none. */
  readonly program: string | null;
  /** Orders the connections of a workstation; null for other principals. */
  readonly ownerTicket: OwnerTicket | null;
  readonly connectedAt = Date.now();
  readonly subscriptions = new Map<Channel, Subscription>();
  /** Channels whose presence this connection joined; few, so a list is smaller than a map. */
  joined: readonly ParsedChannel[] = [];
  /** Set by the hub: sends rosters to subscriptions that skipped presence diffs. */
  onDrained: (behind: Subscription[]) => void = () => undefined;
  #behind: Set<Subscription> | null = null;
  readonly outbound: Outbound;
  readonly requests: TokenBucket;
  /** The hub asked the client to reconnect: its disconnect does not leave presence. */
  goawaySent = false;
  #ending: HubError | null = null;
  #endedAt: number | null = null;
  /** The last unfinished request on each channel. */
  #working: Map<string, Working> | null = null;
  readonly #socket: Socket;
  readonly #limits: ConnectionLimits;
  /** Created at the first use: most connections only receive. */
  #publishes: TokenBucket | null = null;
  #rpcs: TokenBucket | null = null;
  #refreshes: TokenBucket | null = null;
  #invitations: Spaced | null = null;

  constructor(
    socket: Socket,
    { principal, client, program, ownerTicket }: ConnectedAs,
    limits: ConnectionLimits,
    share: PrincipalShare,
  ) {
    this.#socket = socket;
    this.id = socket.id;
    this.principal = principal;
    this.key = share.key;
    this.share = share;
    this.client = client;
    this.program = program;
    this.ownerTicket = ownerTicket;
    this.#limits = limits;
    this.requests = new TokenBucket(limits.requestsPerSecond);
    this.outbound = new Outbound(socket.conn, limits.outbound);
  }

  join(channel: ParsedChannel): void {
    if (!this.isIn(channel.name)) this.joined = this.joined.concat(channel);
  }

  /** Whether it joined this channel's presence. */
  isIn(name: Channel): boolean {
    return this.joined.some((channel) => channel.name === name);
  }

  part(name: Channel): void {
    this.joined = this.joined.filter((channel) => channel.name !== name);
  }

  get publishes(): TokenBucket {
    this.#publishes ??= new TokenBucket(this.#limits.publishesPerSecond);
    return this.#publishes;
  }

  get rpcs(): TokenBucket {
    this.#rpcs ??= new TokenBucket(this.#limits.rpcsPerSecond);
    return this.#rpcs;
  }

  get refreshes(): TokenBucket {
    this.#refreshes ??= new TokenBucket(REFRESHES_PER_SECOND, REFRESH_BURST);
    return this.#refreshes;
  }

  /** Pauses reading from the client: its data waits in the system's buffers. */
  pauseReading(pauseMs: number): void {
    intakeOf(this.#socket.conn).pauseReading(pauseMs);
  }

  /** `websocket`, or `polling` until it is upgraded. */
  get transport(): string {
    return this.#socket.conn.transport.name;
  }

  get live(): boolean {
    return this.#ending === null && this.#socket.connected;
  }

  /** The error with which the hub ended this connection, if it did. */
  get ending(): HubError | null {
    return this.#ending;
  }

  /** The time of that, by `performance.now()`: the hub sends nothing more, though the peer may close later. */
  get endedAt(): number | null {
    return this.#endedAt;
  }

  /** The recipient of what is sent here. */
  get reader(): Reader {
    const { kind, id } = this.principal;
    return { connectionId: this.id, principal: { kind, id }, client: this.program };
  }

  /** Sends a frame that was encoded once for many connections. Ends a connection with too much unsent data. */
  write(frame: Frame): void {
    if (!this.live) return;
    this.outbound.send(frame);
    if (this.outbound.overflowing) this.end(tooSlow());
  }

  /** Answers the event with this id, unless the connection has ended. One large answer may be in flight without counting as slowness. */
  acknowledge(ackId: number, answer: Ack<unknown>): void {
    if (!this.live) return;
    const before = this.outbound.total;
    this.outbound.send(encodeAck(ackId, JSON.stringify(answer)));
    this.outbound.replied(before);
    if (this.outbound.overflowing) this.end(tooSlow());
  }

  /** The subscription skipped a presence diff: it gets the whole roster as soon as the queue is sent. */
  fellBehind(subscription: Subscription): void {
    if (!this.#behind) {
      this.#behind = new Set();
      this.#whenDrained();
    }
    this.#behind.add(subscription);
  }

  #whenDrained(): void {
    this.#socket.conn.once("drain", () => {
      if (this.outbound.congested) return this.#whenDrained();
      const behind = [...(this.#behind ?? [])];
      this.#behind = null;
      this.onDrained(behind);
    });
  }

  /** Pushes that the person's invitations changed, at most once a second. */
  pushInvitations(): void {
    this.#invitations ??= new Spaced(() => this.push("invitations", {}), INVITATIONS_INTERVAL_MS);
    this.#invitations.ask();
  }

  push<Name extends keyof Pushes>(name: Name, ...values: Pushes[Name]): void {
    this.write(encodeEvent(name, ...values.map((value) => JSON.stringify(value))));
  }

  /** Sends the error, then ends the connection. Nothing else is sent or executed. A second call does nothing. */
  end(error: HubError): void {
    if (!this.live) return;
    this.#ending = error;
    this.#endedAt = performance.now();
    // Not `disconnecting`: JavaScript clients of Socket.IO reserve that name, fail to parse the packet and disconnect.
    // A busy client then loses the preceding pushes.
    const frame = encodeEvent("closing", JSON.stringify(toErrorObject(error)));
    this.#socket.conn.write(frame.packet, frame.options);
    // Engine.IO reports a connection closed while its WebSocket, and its memory, remain until the peer answers.
    endTransport(this.#socket.conn);
  }

  /** Executes the requests of one channel one after the other, in the order of their arrival. */
  inOrder<Result>(channel: string, work: () => Promise<Result>): Promise<Result> {
    const before = this.#working?.get(channel);
    const done = before ? before.ended.then(work, work) : work();
    this.#keep(channel, { issued: done, ended: done });
    return done;
  }

  /**
   * Like `inOrder`, for requests whose successors of the same kind need not wait for the answer. `work` calls `issued` when
   * it is on its way, in its place. Requests of other kinds wait for its end.
   */
  inSequence<Result>(channel: string, work: (issued: () => void) => Promise<Result>): Promise<Result> {
    const before = this.#working?.get(channel);
    let issue: () => void = () => undefined;
    const issued = new Promise<void>((resolve) => {
      issue = resolve;
    });
    const run = () => work(issue);
    const done = before ? before.issued.then(run, run) : run();
    // A request that fails before it is on its way blocks no other.
    done.then(issue, issue);
    const ended = before ? Promise.allSettled([before.ended, done]) : done;
    this.#keep(channel, { issued, ended });
    return done;
  }

  #keep(channel: string, request: Working): void {
    this.#working ??= new Map();
    const working = this.#working;
    working.set(channel, request);
    const clear = () => {
      if (working.get(channel) === request) working.delete(channel);
      if (working.size === 0 && this.#working === working) this.#working = null;
    };
    request.ended.then(clear, clear);
  }
}

function tooSlow(): HubError {
  return new HubError("slow_consumer", "This connection reads slower than the hub sends. Connect again and recover.");
}
