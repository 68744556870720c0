import type { Outcome } from "../connection/link.ts";
import type { Wire } from "../connection/wire.ts";
import { type ConnectionClosedError, RealtimeError } from "../kernel/errors.ts";
import { jsonCopy } from "../kernel/json.ts";
import { Timer } from "../kernel/timer.ts";
import type { PresencePosition } from "../protocol/index.ts";
import type { PresenceMetaOf } from "./subscription-events.ts";

interface Waiter {
  /** The number of the change it waits for. The answer to this change or a newer one settles it. */
  change: number;
  resolve(position: PresencePosition): void;
  reject(error: RealtimeError): void;
}
type Meta = Record<string, unknown>;
/** The number of times that a join is sent again without a delay. */
const AT_ONCE_LIMIT = 5;
/** The result of a leave that found no presence. Only `leave()` waits then, and ignores it. */
const NOWHERE: PresencePosition = { epoch: "", version: 0 };

/**
 * This client's own presence on one channel. The newest requested state is sent to the hub, again after every
 * reconnect. Changes made while a request is pending are merged into the newest.
 */
export class ChannelPresence<Name extends string = string> {
  readonly channel: Name;
  readonly #wire: Wire;
  readonly #timer = new Timer();
  #waiters: Waiter[] = [];
  /** The meta that the hub should hold; null: not present. */
  #wanted: Meta | null = null;
  /** The newest meta that the hub accepted. Restored if the hub rejects a later one. */
  #accepted: Meta | null = null;
  /** Whether this connection has joined. */
  #joined = false;
  #asking = false;
  #change = 0;
  #answered = 0;
  #failures = 0;
  /** The joins that were sent again without a delay since the last accepted change. */
  #sentAtOnce = 0;
  #closed: ConnectionClosedError | null = null;

  /** @internal Use `client.presence()`. */
  constructor(channel: Name, wire: Wire) {
    this.channel = channel;
    this.#wire = wire;
  }

  /** The meta of this client's presence, or of the pending join; null if it is not present. */
  get meta(): PresenceMetaOf<Name> | null {
    return this.#wanted as PresenceMetaOf<Name> | null;
  }

  /** @internal Whether the hub holds this connection's presence. */
  get joined(): boolean {
    return this.#joined;
  }

  /**
   * Joins with `meta` and stays present across reconnects. Resolves when the hub has stored it; rejects if the hub
   * refuses.
   */
  async join(meta: PresenceMetaOf<Name>): Promise<PresencePosition> {
    this.#wanted = jsonCopy(meta, "meta") as Meta;
    return this.#changed();
  }

  /**
   * Replaces the whole meta. Resolves when the hub has stored this or a newer meta. Rejects with `not_joined` before a
   * join.
   */
  async update(meta: PresenceMetaOf<Name>): Promise<PresencePosition> {
    if (!this.#wanted) throw this.#closed ?? notJoined(this.channel);
    this.#wanted = jsonCopy(meta, "meta") as Meta;
    return this.#changed();
  }

  /**
   * Leaves immediately and does not rejoin by itself. Without a connection nothing is sent, and the grace period ends
   * the presence.
   */
  async leave(): Promise<void> {
    if (!this.#wanted) return;
    this.#wanted = null;
    this.#rejectUntil(this.#change, leftBefore(this.channel));
    if (this.#wire.connected) await this.#changed();
    else this.#answered = this.#change;
  }

  /** @internal */
  connected(): void {
    this.#joined = false;
    this.#failures = 0;
    this.#sentAtOnce = 0;
    this.#pump();
  }

  /** @internal */
  disconnected(): void {
    this.#timer.clear();
    this.#joined = false;
    this.#asking = false;
  }

  /** @internal */
  closed(error: ConnectionClosedError): void {
    this.#timer.clear();
    this.#closed = error;
    this.#wanted = null;
    this.#rejectUntil(this.#change, error);
  }

  #changed(): Promise<PresencePosition> {
    if (this.#closed) return Promise.reject(this.#closed);
    const change = ++this.#change;
    return new Promise((resolve, reject) => {
      this.#waiters.push({ change, resolve, reject });
      // While a retry delay runs, nothing is sent. The newest change is sent when it ends.
      if (!this.#timer.pending) this.#pump();
    });
  }

  /** Sends one request at a time, so that an older meta never overtakes a newer one. */
  #pump(): void {
    const upToDate = this.#answered === this.#change && this.#joined === (this.#wanted !== null);
    if (this.#asking || upToDate || !this.#wire.connected) return;
    this.#timer.clear();
    this.#asking = true;
    const change = this.#change;
    const meta = this.#wanted;
    const settle = (outcome: Outcome<PresencePosition>) => {
      if (outcome.ok) this.#accept(change, meta, outcome.reply);
      else this.#refuse(change, outcome.error);
    };
    const { channel } = this;
    if (!meta) this.#wire.send("presence.leave", { channel }, settle);
    else this.#wire.send(this.#joined ? "presence.update" : "presence.join", { channel, meta }, settle);
  }

  #accept(change: number, meta: Meta | null, position: PresencePosition): void {
    this.#asking = false;
    this.#joined = meta !== null;
    this.#accepted = meta;
    this.#failures = 0;
    this.#sentAtOnce = 0;
    this.#answered = change;
    for (const waiter of this.#takeWaiters(change)) waiter.resolve(position);
    this.#pump();
  }

  #refuse(change: number, error: RealtimeError): void {
    if (error.code === "disconnected" || error.code === "connection_closed") return;
    this.#asking = false;
    if (error.code === "not_joined") this.#rejoin(change);
    else if (this.#lostByTicket(error) && this.#sentAtOnce < AT_ONCE_LIMIT) this.#sendAtOnce();
    else if (error.temporary) this.#timer.set(this.#wire.retryDelayMs(this.#failures++, error), () => this.#pump());
    else this.#giveUp(change, error);
  }

  /**
   * Whether another connection of the workstation had a newer ticket. The hub has given this connection a new one, so
   * the join succeeds when it is sent again.
   */
  #lostByTicket({ code, retryAfterMs }: RealtimeError): boolean {
    return !this.#joined && code === "unavailable" && retryAfterMs === 0;
  }

  #sendAtOnce(): void {
    this.#sentAtOnce++;
    this.#pump();
  }

  /** Handles a change that the hub rejects permanently: restores the accepted meta. */
  #giveUp(change: number, error: RealtimeError): void {
    if (change === this.#change) this.#wanted = this.#joined ? this.#accepted : null;
    this.#answered = change;
    if (!this.#rejectUntil(change, error)) this.#wire.report(error);
    this.#pump();
  }

  /** The hub does not know this connection as joined. A leave is complete then; any other change becomes a join. */
  #rejoin(change: number): void {
    this.#joined = false;
    if (!this.#wanted) {
      this.#answered = change;
      for (const waiter of this.#takeWaiters(change)) waiter.resolve(NOWHERE);
    }
    this.#pump();
  }

  #takeWaiters(change: number): Waiter[] {
    const taken = this.#waiters.filter((waiter) => waiter.change <= change);
    this.#waiters = this.#waiters.filter((waiter) => waiter.change > change);
    return taken;
  }

  #rejectUntil(change: number, error: RealtimeError): boolean {
    const waiters = this.#takeWaiters(change);
    for (const waiter of waiters) waiter.reject(error);
    return waiters.length > 0;
  }
}

function leftBefore(channel: string): RealtimeError {
  return new RealtimeError(`leave() was called on ${channel} before the answer. Join again.`, {
    code: "left",
    temporary: false,
  });
}

function notJoined(channel: string): RealtimeError {
  return new RealtimeError(`Not present on ${channel}. Call join(meta) first.`, {
    code: "not_joined",
    temporary: false,
  });
}
