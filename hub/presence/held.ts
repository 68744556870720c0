import type { LeaveReason } from "@monster-realtime/client/protocol";
import { isNewer, partsOf, type Ticket } from "./membership.ts";
import type { JoinRequest, WorkstationPresence } from "./presence.ts";
import type { Reading } from "./records.ts";

/** How a connection's part ends, once the store can be reached. */
export type Ending = { kind: "leave"; reason: LeaveReason } | { kind: "lose" };

/** One connection of this node that joined a channel: what it takes to enter it again. */
export interface Held {
  request: JoinRequest;
  ticket: Ticket | null;
  /** The newest meta that was stored, and its order among the member's. */
  meta: Record<string, unknown>;
  order: number;
  joinedAt: number;
  /** The incarnation, and the generation of the data, under which it is entered; 0: not yet. */
  incarnation: string;
  generation: number;
  /** The newest generation in which it was tried to enter it, perhaps without an answer. */
  tried: number;
  /** The newest revision that is known. */
  revision: number;
  /** Of a workstation's own channel. */
  presence: WorkstationPresence | null;
  ending: Ending | null;
}

/** What this node's connections joined, by channel. */
export class HeldParts {
  readonly #channels = new Map<string, Map<string, Held>>();

  /** Takes the place of what this connection held on the channel. */
  add(request: JoinRequest): Held {
    const ofChannel = this.#channels.get(request.channel) ?? new Map<string, Held>();
    this.#channels.set(request.channel, ofChannel);
    const known = ofChannel.get(request.connectionId);
    const held: Held = {
      request,
      ticket: request.workstation?.ticket.value ?? null,
      meta: request.meta,
      order: 0,
      joinedAt: known?.joinedAt ?? 0,
      incarnation: "",
      generation: known?.generation ?? 0,
      tried: known?.tried ?? 0,
      revision: known?.revision ?? 0,
      presence: known?.presence ?? null,
      ending: null,
    };
    ofChannel.set(request.connectionId, held);
    return held;
  }

  get(channel: string, connectionId: string): Held | undefined {
    return this.#channels.get(channel)?.get(connectionId);
  }

  /** False where something newer has its place, or it is over. */
  isCurrent(held: Held): boolean {
    return this.get(held.request.channel, held.request.connectionId) === held;
  }

  remove(held: Held): void {
    if (!this.isCurrent(held)) return;
    const { channel, connectionId } = held.request;
    const ofChannel = this.#channels.get(channel);
    ofChannel?.delete(connectionId);
    if (ofChannel?.size === 0) this.#channels.delete(channel);
  }

  has(channel: string): boolean {
    return this.#channels.has(channel);
  }

  on(channel: string): Held[] {
    return [...(this.#channels.get(channel)?.values() ?? [])];
  }

  /** The connection that is the workstation's presence, on its own channel. */
  owner(channel: string): Held | undefined {
    return this.on(channel).find(({ request, ending, generation }) => request.workstation && !ending && generation > 0);
  }

  /** Those that this owner of a workstation replaces. */
  outrunBy(channel: string, owner: { connectionId: string; ticket: Ticket }): Held[] {
    return this.on(channel).filter(
      ({ request, ticket }) => ticket && request.connectionId !== owner.connectionId && isNewer(ticket, owner.ticket),
    );
  }

  /** The newest revision of the channel's member that is known. */
  floorOf(channel: string, key: string): number {
    return Math.max(
      0,
      ...this.on(channel)
        .filter(({ request }) => request.key === key)
        .map(({ revision }) => revision),
    );
  }

  setProjects(channel: string, projectIds: readonly string[]): void {
    for (const held of this.on(channel)) {
      const { request } = held;
      if (request.workstation) held.request = { ...request, workstation: { ...request.workstation, projectIds } };
    }
  }

  /** Of the workstations that are here. */
  *presences(): Iterable<WorkstationPresence> {
    for (const { presence, ending } of this.all()) if (presence && !ending) yield presence;
  }

  *all(): Iterable<Held> {
    for (const ofChannel of this.#channels.values()) yield* ofChannel.values();
  }
}

/** The store has the part, as it is read. */
export function entered(held: Held, { record, generation, revision }: Reading): void {
  const part = partsOf(record).find(({ connectionId }) => connectionId === held.request.connectionId);
  // Answers arrive out of order: the generation only rises.
  held.generation = Math.max(held.generation, generation);
  held.revision = Math.max(held.revision, revision);
  if (!part || !record) return;
  held.incarnation = part.incarnation;
  held.order = part.order;
  held.meta = part.meta;
  held.joinedAt = record.joinedAt;
}
