import type { LeaveReason } from "@monster-realtime/client/protocol";
import type { Lease } from "./lease.ts";
import type { JoinRequest, WorkstationPresence } from "./presence.ts";

/** How a connection's part ends, once Redis can be told. */
export type Ending = { kind: "leave"; reason: LeaveReason } | { kind: "lose" };

/** Who owns a workstation's presence: a connection, and the revision that it joined with. */
export interface Owner {
  connectionId: string;
  number: number;
}

/** One connection of this node that joined a channel: what it takes to enter it again. */
export interface Holding {
  request: JoinRequest;
  /** The newest meta that was stored. */
  meta: Record<string, unknown>;
  lease: Lease;
  /** The incarnation that it is entered under. */
  incarnation: string;
  /** The revision it joined with; null until the store has answered. */
  number: number | null;
  /** The revision of its newest meta. */
  order: number;
  /** The newest revision that is known. */
  revision: number;
  joinedAt: number;
  /** Of a workstation's own channel. */
  presence: WorkstationPresence | null;
  /** The newest other owner that was heard of while the store had not answered. */
  rival: Owner | null;
  ending: Ending | null;
  /** Settles when the store has answered the join, or not. */
  joined: Promise<unknown>;
}

/** What this node's connections joined, by channel. */
export class Holdings {
  readonly #channels = new Map<string, Map<string, Holding>>();

  /** Takes the place of what this connection held on the channel. */
  add(request: JoinRequest, lease: Lease): Holding {
    const ofChannel = this.#channels.get(request.channel) ?? new Map<string, Holding>();
    this.#channels.set(request.channel, ofChannel);
    const known = ofChannel.get(request.connectionId);
    const holding: Holding = {
      request,
      meta: request.meta,
      lease,
      incarnation: lease.incarnation,
      number: null,
      order: 0,
      revision: known?.revision ?? 0,
      joinedAt: known?.joinedAt ?? 0,
      presence: known?.presence ?? null,
      rival: null,
      ending: null,
      joined: Promise.resolve(),
    };
    ofChannel.set(request.connectionId, holding);
    return holding;
  }

  get(channel: string, connectionId: string): Holding | undefined {
    return this.#channels.get(channel)?.get(connectionId);
  }

  /** False where something newer has its place. */
  isCurrent(holding: Holding): boolean {
    return this.get(holding.request.channel, holding.request.connectionId) === holding;
  }

  remove(holding: Holding): void {
    if (!this.isCurrent(holding)) return;
    const { channel, connectionId } = holding.request;
    const ofChannel = this.#channels.get(channel);
    ofChannel?.delete(connectionId);
    if (ofChannel?.size === 0) this.#channels.delete(channel);
  }

  has(channel: string): boolean {
    return this.#channels.has(channel);
  }

  on(channel: string): Holding[] {
    return [...(this.#channels.get(channel)?.values() ?? [])];
  }

  /** The connection that is the workstation's presence, on its own channel. */
  owner(channel: string): Holding | undefined {
    return this.on(channel).find(({ request, ending }) => request.workstation && !ending);
  }

  /** Those that a newer owner replaces. Whoever has no number yet keeps the owner in mind. */
  outrunBy(channel: string, owner: Owner): Holding[] {
    const others = this.on(channel).filter(({ request }) => request.connectionId !== owner.connectionId);
    for (const holding of others) {
      if (holding.number === null && owner.number > (holding.rival?.number ?? 0)) holding.rival = owner;
    }
    return others.filter((holding) => isOutrun(holding, owner));
  }

  /** The counter of this connection's workstation stands at `revision`, or higher. */
  raise({ channel, connectionId, revision }: { channel: string; connectionId: string; revision: number }): void {
    const holding = this.get(channel, connectionId);
    if (!holding || holding.revision >= revision) return;
    holding.revision = revision;
    if (holding.presence) holding.presence = { ...holding.presence, revision };
  }

  setProjects(channel: string, projectIds: readonly string[]): void {
    for (const holding of this.on(channel)) {
      const { request } = holding;
      if (request.workstation) holding.request = { ...request, workstation: { ...request.workstation, projectIds } };
    }
  }

  /** Of the workstations that are here. */
  *presences(): Iterable<WorkstationPresence> {
    for (const { presence, ending } of this.all()) if (presence && !ending) yield presence;
  }

  *all(): Iterable<Holding> {
    for (const ofChannel of this.#channels.values()) yield* ofChannel.values();
  }
}

/** A sign of life: a new revision, without asking Redis. Null where somebody else may own the workstation by now. */
export function beat(holding: Holding): WorkstationPresence | null {
  if (!holding.presence || !holding.lease.valid || holding.incarnation !== holding.lease.incarnation) return null;
  // Whatever changes it takes this as its floor, or the store's clock, which has gone on by more than beats count.
  holding.revision += 1;
  holding.presence = { ...holding.presence, revision: holding.revision, at: Date.now() };
  return holding.presence;
}

/** What a newer owner makes of a connection's part in a workstation's own channel. */
export function isOutrun({ request, number }: Holding, owner: Owner): boolean {
  return (
    request.workstation !== undefined &&
    number !== null &&
    owner.connectionId !== request.connectionId &&
    owner.number > number
  );
}

/** Whether these are the same projects, in whatever order. */
export function isSame(one: readonly string[], other: readonly string[]): boolean {
  return one.length === other.length && one.every((id) => other.includes(id));
}
