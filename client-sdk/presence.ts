import { type ConnectionClosedError, RealtimeError } from "./errors.ts";
import { jsonCopy } from "./json.ts";
import type { Outcome } from "./link.ts";
import type { PresencePosition } from "./protocol/index.ts";
import type { PresenceMetaOf } from "./subscription-events.ts";
import { Timer } from "./timer.ts";
import type { Wire } from "./wire.ts";

interface Waiter {
  /** The change it waits for; any answer to this one or a newer one will do. */
  change: number;
  resolve(position: PresencePosition): void;
  reject(error: RealtimeError): void;
}
type Meta = Record<string, unknown>;
/** What a leave resolves with that found nothing to leave; only `leave()` waits then, and drops it. */
const NOWHERE: PresencePosition = { epoch: "", version: 0 };

/**
 * This client's own presence on one channel. What was asked last is what the hub is told, again after every reconnect;
 * changes that come while one is on its way are joined into the newest.
 */
export class ChannelPresence<Name extends string = string> {
  readonly channel: Name;
  readonly #wire: Wire;
  readonly #timer = new Timer();
  #waiters: Waiter[] = [];
  /** What the hub shall hold; null: not present. */
  #wanted: Meta | null = null;
  /** The newest meta that the hub took, to go back to where it refuses a later one. */
  #accepted: Meta | null = null;
  /** Whether this connection has joined. */
  #joined = false;
  #asking = false;
  #change = 0;
  #answered = 0;
  #failures = 0;
  #closed: ConnectionClosedError | null = null;

  /** @internal Use `client.presence()`. */
  constructor(channel: Name, wire: Wire) {
    this.channel = channel;
    this.#wire = wire;
  }

  /** The meta this client is, or will be, present with; null where it is not. */
  get meta(): PresenceMetaOf<Name> | null {
    return this.#wanted as PresenceMetaOf<Name> | null;
  }

  /** @internal Whether the hub holds this connection as present. */
  get joined(): boolean {
    return this.#joined;
  }

  /** Becomes present with `meta` and stays so over reconnects. Resolves when the hub has it; rejects where it refuses. */
  async join(meta: PresenceMetaOf<Name>): Promise<PresencePosition> {
    this.#wanted = jsonCopy(meta, "meta") as Meta;
    return this.#changed();
  }

  /** Replaces the whole meta. Resolves when the hub has this one or a newer one; rejects `not_joined` before a join. */
  async update(meta: PresenceMetaOf<Name>): Promise<PresencePosition> {
    if (!this.#wanted) throw this.#closed ?? notJoined(this.channel);
    this.#wanted = jsonCopy(meta, "meta") as Meta;
    return this.#changed();
  }

  /** Leaves at once and does not come back by itself. Away from the hub there is nobody to tell: the grace time ends it. */
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
      // Whoever was asked to slow down tells only the newest, when the time has come.
      if (!this.#timer.pending) this.#pump();
    });
  }

  /** One request at a time, so that an older meta can never overtake a newer one. */
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
    this.#answered = change;
    for (const waiter of this.#takeWaiters(change)) waiter.resolve(position);
    this.#pump();
  }

  #refuse(change: number, error: RealtimeError): void {
    if (error.code === "disconnected" || error.code === "connection_closed") return;
    this.#asking = false;
    if (error.code === "not_joined") this.#joinAnew(change);
    else if (error.temporary) this.#timer.set(this.#wire.retryDelayMs(this.#failures++, error), () => this.#pump());
    else this.#giveUp(change, error);
  }

  /** A change that the hub will never take: back to what it has. */
  #giveUp(change: number, error: RealtimeError): void {
    if (change === this.#change) this.#wanted = this.#joined ? this.#accepted : null;
    this.#answered = change;
    if (!this.#rejectUntil(change, error)) this.#wire.report(error);
    this.#pump();
  }

  /** The hub does not know this connection as joined: to leave is done then, and anything else is a join. */
  #joinAnew(change: number): void {
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
