import { type LeaveReason, type PresencePosition, parseChannel } from "@monster-realtime/client/protocol";
import { HubError } from "../kernel/errors.ts";
import type { BackgroundWork } from "./background-work.ts";
import { entered, type Held, HeldParts } from "./held.ts";
import type { NodeLease, NodeLeases } from "./leases.ts";
import type { MemberChanges, Outcome } from "./member-changes.ts";
import { type Command, isPresent, newestOf, type Ticket } from "./membership.ts";
import type { JoinRequest, OwnerTicket, SharedPresenceEvents, WorkstationPresence } from "./presence.ts";
import type { Reading, RecordStore } from "./records.ts";

export interface LocalConnectionsOptions {
  store: RecordStore;
  leases: NodeLeases;
  changes: MemberChanges;
  graceMs: number;
  now: () => number;
  events: SharedPresenceEvents;
  background: BackgroundWork;
  presenceOf(channel: string, reading: Reading): WorkstationPresence | null;
  /** Resolves when every later message of the channel is received. */
  listen(channel: string): Promise<void>;
  /** Nothing is held on the channel any more. */
  release(channel: string): void;
}

/** A client asks to join at once where another connection of its workstation was first. */
const ASK_AGAIN = "A newer connection of this workstation was admitted meanwhile. Ask again.";

/** What this node's connections joined, from their tickets to their ends, through losses of the lease and of data. */
export class LocalConnections {
  readonly held = new HeldParts();
  readonly #options: LocalConnectionsOptions;
  /** Endings that the store could not be asked for. */
  readonly #owed = new Set<Held>();

  constructor(options: LocalConnectionsOptions) {
    this.#options = options;
  }

  async admit(channel: string): Promise<OwnerTicket> {
    const ticket: OwnerTicket = { value: null, known: null };
    await this.#takeTicket(channel, ticket).catch(() => undefined);
    return ticket;
  }

  join(request: JoinRequest): Promise<PresencePosition> {
    // Held before anything is waited for: whoever is lost meanwhile is taken out again.
    const held = this.held.add(request);
    return this.#inOrder(held, () => this.#join(held));
  }

  /** Throws `not_joined`, `replaced`. */
  async update(channel: string, connectionId: string, meta: Record<string, unknown>): Promise<PresencePosition> {
    const held = this.held.get(channel, connectionId);
    if (!held || held.ending) throw await this.#absence(channel);
    return this.#inOrder(held, async () => {
      const outcome = await this.#update(held, meta);
      if (outcome.status === "replaced") throw this.#replace(held);
      if (outcome.status !== "ok" || !outcome.reply) throw notJoined();
      return outcome.reply.position;
    });
  }

  /** Throws `not_joined`, `replaced`, and `unavailable` where it can only be carried out later. */
  async leave(channel: string, connectionId: string, reason: LeaveReason): Promise<PresencePosition> {
    const held = this.held.get(channel, connectionId);
    if (!held || held.ending) throw await this.#absence(channel);
    held.ending = { kind: "leave", reason };
    const { status, reply } = await this.#inOrder(held, () => this.#end(held));
    if (status !== "ok" || !reply) throw status === "replaced" ? replacedError() : notJoined();
    return reply.position;
  }

  async lose(channel: string, connectionId: string): Promise<void> {
    const held = this.held.get(channel, connectionId);
    if (!held) return;
    held.ending ??= { kind: "lose" };
    // What fails is tried again with the next renewal.
    await this.#inOrder(held, () => this.#end(held)).catch(() => undefined);
  }

  /** A sign of life without asking the store; null where somebody else may own the workstation by now. */
  beat(channel: string): WorkstationPresence | null {
    const held = this.held.owner(channel);
    const lease = this.#options.leases.of(channel);
    if (!held?.presence || !lease.valid || held.incarnation !== lease.incarnation) return null;
    // Whatever changes it takes this as its floor, or the store's clock, which has gone on by more than beats count.
    held.revision += 1;
    held.presence = { ...held.presence, revision: held.revision, at: Date.now() };
    return held.presence;
  }

  /** What the store has of a workstation's channel: whoever is older learns that it was replaced. */
  learn(channel: string, reading: Reading): void {
    const { record, revision } = reading;
    const newest = record && newestOf(record);
    if (!newest?.ticket) return;
    const { connectionId, ticket } = newest;
    const own = this.held.get(channel, connectionId);
    if (own && own.revision < revision) own.revision = revision;
    if (own && isPresent(record)) own.presence = this.#options.presenceOf(channel, reading);
    if (record?.state.kind === "live") this.outrunBy(channel, { connectionId, ticket });
  }

  /** This connection owns the workstation. One that is about to join finds that itself, and asks again. */
  outrunBy(channel: string, owner: { connectionId: string; ticket: Ticket }): void {
    for (const held of this.held.outrunBy(channel, owner)) if (held.generation > 0) this.#replace(held);
  }

  /** Enters again what is held under an older incarnation of this lease, and ends what could not be ended. */
  repair(lease: NodeLease): void {
    for (const held of this.held.all()) {
      if (this.#options.leases.of(held.request.channel) === lease) this.#registerElsewhere(held);
    }
    for (const held of this.#owed) this.#options.background.run(this.#endOwed(held), held.request.channel);
  }

  async #endOwed(held: Held): Promise<void> {
    this.#owed.delete(held);
    const { channel, connectionId } = held.request;
    const newest = this.held.get(channel, connectionId);
    // Otherwise the connection has joined again since.
    if (!newest || newest === held) await this.#inOrder(held, () => this.#end(held));
  }

  /** Whether this node holds the workstation, which the store lacks: then it is entered again. */
  async enterAgain(channel: string): Promise<boolean> {
    const owner = this.held.owner(channel);
    if (!owner) return false;
    await this.#inOrder(owner, () => this.#register(owner));
    return this.held.isCurrent(owner);
  }

  async #takeTicket(channel: string, ticket: OwnerTicket): Promise<void> {
    const { ticket: value, ...reading } = await this.#options.store.ticket(channel, channel);
    if (reading.record) await this.#options.leases.outdated(channel, newestOf(reading.record).ticket?.generation ?? 0);
    // Data whose generation is not known yet orders nothing.
    ticket.value = value.generation > 0 ? value : null;
    ticket.known = { reading, at: this.#options.now() };
  }

  async #join(held: Held): Promise<PresencePosition> {
    const { request } = held;
    const { channel, key, connectionId, memberKey, meta, workstation } = request;
    let outcome: Outcome;
    try {
      // Where the channel can't be heard yet, its owner is looked up once it is.
      const heard = workstation && this.#options.listen(channel).catch(() => undefined);
      await Promise.all([this.#options.changes.note(channel), heard]);
      outcome = await this.#options.changes.apply({
        channel,
        key,
        holds: true,
        known: takeKnown(workstation?.ticket, this.#options.now()),
        command: (reading, incarnation) => {
          if (held.ending || !this.held.isCurrent(held)) return null;
          held.tried = reading.generation;
          const part = { connectionId, incarnation, ticket: held.ticket, meta };
          return { kind: "join", part, memberKey, workstation: workstation ?? null };
        },
        decided: ({ status, reading }) => {
          if (status === "ok") entered(held, reading);
        },
      });
    } catch (error) {
      // Whether it joined is unknown. Unless it tries again, it is taken out.
      held.ending ??= { kind: "lose" };
      this.#owed.add(held);
      throw error;
    }
    if (outcome.status === "ok" && outcome.reply) {
      this.#registerElsewhere(held);
      return outcome.reply.position;
    }
    this.#forget(held);
    if (outcome.status === "outrun" && workstation) {
      await this.#takeTicket(channel, workstation.ticket);
      throw new HubError("unavailable", ASK_AGAIN, { retryAfterMs: 0 });
    }
    throw new HubError("unavailable", "The connection ended before it joined. Connect again.");
  }

  /** Where the lease ended meanwhile, it is entered where nobody looks. */
  #registerElsewhere(held: Held): void {
    const { incarnation } = this.#options.leases.of(held.request.channel);
    if (held.ending || held.generation === 0 || held.incarnation === incarnation) return;
    this.#options.background.run(
      this.#inOrder(held, () => this.#register(held)),
      held.request.channel,
    );
  }

  async #update(held: Held, meta: Record<string, unknown>): Promise<Outcome> {
    const { channel, key, connectionId } = held.request;
    const update = () =>
      this.#options.changes.apply({
        channel,
        key,
        holds: true,
        command: (reading, incarnation) => {
          held.tried = reading.generation;
          return { kind: "update", connectionId, incarnation, meta };
        },
        decided: ({ status, reading }) => {
          if (status === "ok") entered(held, reading);
        },
      });
    const outcome = await update();
    if (outcome.status !== "not_joined") return outcome;
    // Data may have been lost a moment ago.
    await this.#register(held);
    return update();
  }

  /** Enters a part again that the store may have lost, or that others hold for dead. */
  async #register(held: Held): Promise<void> {
    if (held.ending || held.generation === 0 || !this.held.isCurrent(held)) return;
    const { channel, key, connectionId, memberKey, workstation } = held.request;
    const outcome = await this.#options.changes.apply({
      channel,
      key,
      holds: true,
      command: (reading, incarnation): Command | null => {
        if (held.ending || !this.held.isCurrent(held)) return null;
        held.tried = reading.generation;
        const part = { connectionId, incarnation, ticket: held.ticket, meta: held.meta, order: held.order };
        return { kind: "register", part, joinedAt: held.joinedAt, memberKey, workstation: workstation ?? null };
      },
      decided: ({ status, reading }) => {
        if (status === "ok" || status === "kept") entered(held, reading);
      },
    });
    const { status } = outcome;
    if (status === "ok" || status === "kept") this.#registerElsewhere(held);
    if (status === "replaced") this.#replace(held);
    if (status === "gone" && this.held.isCurrent(held)) {
      this.#forget(held);
      this.#options.events.gaveUp(connectionId, channel);
    }
  }

  /** Ends the part of a connection. What can't be stored now is stored later. */
  async #end(held: Held): Promise<Outcome> {
    const { ending, tried } = held;
    const { channel, key, connectionId } = held.request;
    if (!ending) throw new Error("this connection has not ended");
    try {
      const outcome = await this.#options.changes.apply({
        channel,
        key,
        holds: ending.kind === "lose",
        // What ends may have begun again in data that were lost since.
        generation: tried || undefined,
        command: (_, keeper) =>
          ending.kind === "leave"
            ? { kind: "leave", connectionId, reason: ending.reason }
            : { kind: "lose", connectionId, keeper, graceMs: this.#options.graceMs },
      });
      this.#owed.delete(held);
      this.#forget(held);
      return outcome;
    } catch (error) {
      this.#owed.add(held);
      throw error;
    }
  }

  /** A newer connection owns the workstation. */
  #replace(held: Held): HubError {
    if (!this.held.isCurrent(held)) return replacedError();
    const { channel, connectionId } = held.request;
    const { ending } = held;
    this.#forget(held);
    if (!ending) this.#options.events.replaced(connectionId, channel);
    // What was heard may be of the past: then the store still has this one, and nobody else would end it.
    held.ending = { kind: "lose" };
    this.#options.background.run(
      this.#inOrder(held, () => this.#end(held)),
      channel,
    );
    return replacedError();
  }

  #forget(held: Held): void {
    this.held.remove(held);
    this.#options.release(held.request.channel);
  }

  /** Why a connection that holds nothing can't do what it asked for. */
  async #absence(channel: string): Promise<HubError> {
    if (parseChannel(channel)?.kind !== "workstation") return notJoined();
    const { record } = await this.#options.store.read(channel, channel);
    return isPresent(record) ? replacedError() : notJoined();
  }

  #inOrder<Result>({ request }: Held, work: () => Promise<Result>): Promise<Result> {
    return this.#options.changes.inOrder(request.channel, request.key, work);
  }
}

/** What was read with the ticket, once, brought forward to this moment. */
function takeKnown(ticket: OwnerTicket | undefined, now: number): Reading | null {
  const known = ticket?.known;
  if (!ticket || !known) return null;
  ticket.known = null;
  const passedMs = now - known.at;
  return { ...known.reading, now: known.reading.now + passedMs, ageMs: known.reading.ageMs + passedMs };
}

function notJoined(): HubError {
  return new HubError("not_joined", "This connection is not present on the channel. Call presence.join first.");
}

function replacedError(): HubError {
  return new HubError("replaced", "A newer connection of this workstation owns its presence. Stop this one.");
}
