import type { LeaveReason, Member, PresencePosition } from "@monster-realtime/client/protocol";
import { isPresent, type MemberRecord, newestOf, type Ticket } from "./membership.ts";
import type {
  LeaseReply,
  LeaseRequest,
  Reading,
  RecordListener,
  RecordStore,
  RosterMessage,
  RosterReading,
  Swap,
  SwapOutcome,
  SwapReply,
} from "./records.ts";

interface Stored {
  record: MemberRecord | null;
  revision: number;
}

/** One channel: its records, and its roster. */
interface Channel {
  epoch: string;
  version: number;
  /** Milliseconds since 1970. */
  since: number;
  records: Map<string, Stored>;
  roster: Map<string, Member>;
  /** The states in which a project's roster knows workstations. */
  shown: Map<string, { generation: number; revision: number }>;
  /** When it was empty and nobody used it. */
  idleSince: number | null;
}

/** What the store holds: plain data, so that a simulation can keep an older state of it. */
export interface MemoryState {
  generation: number;
  /** What a new generation has to name; empty where nobody was asked for one. */
  founding: string;
  /** Milliseconds since 1970. */
  founded: number;
  lost: number | null;
  /** The newest revision or ticket, in microseconds. */
  newest: number;
  epochs: number;
  channels: Map<string, Channel>;
  leases: Map<string, number>;
  notes: Map<string, Set<string>>;
}

export function emptyState(): MemoryState {
  return {
    generation: 0,
    founding: "",
    founded: 0,
    lost: null,
    newest: 0,
    epochs: 0,
    channels: new Map(),
    leases: new Map(),
    notes: new Map(),
  };
}

export interface MemoryRecordsOptions {
  /** The beginning of its epochs, which no other store has. */
  epoch: string;
  state?: MemoryState;
  /** Milliseconds since 1970. */
  now?: () => number;
}

/** How long versions and revisions of a channel without members are kept. */
const IDLE_MS = 60_000;

/** Records of a hub that is alone: each method is one turn of the event loop. */
export class MemoryRecords implements RecordStore {
  readonly parts = 1;
  readonly #epoch: string;
  readonly #state: MemoryState;
  readonly #now: () => number;
  readonly #listeners = new Map<string, Set<RecordListener>>();
  /** When idle channels were last looked for. */
  #lookedAt: number;

  constructor({ epoch, state = emptyState(), now = Date.now }: MemoryRecordsOptions) {
    this.#epoch = epoch;
    this.#state = state;
    this.#now = now;
    this.#lookedAt = now();
  }

  partOf(): number {
    return 0;
  }

  async ticket(channel: string, key: string): Promise<Reading & { ticket: Ticket }> {
    const ticket = { generation: this.#state.generation, number: this.#mint(0) };
    return { ...this.#reading(channel, key), ticket };
  }

  async read(channel: string, key: string): Promise<Reading> {
    return this.#reading(channel, key);
  }

  async readAll(channel: string): Promise<Reading[]> {
    const keys = [...(this.#state.channels.get(channel)?.records.keys() ?? [])];
    return keys.map((key) => this.#reading(channel, key));
  }

  async note(incarnation: string, channel: string): Promise<number> {
    if (!this.#isAlive(incarnation)) return 0;
    const noted = this.#state.notes.get(incarnation) ?? new Set();
    this.#state.notes.set(incarnation, noted.add(channel));
    return this.#state.generation;
  }

  async swap(swap: Swap): Promise<SwapReply> {
    const channel = this.#channel(swap.channel);
    const outcome = this.#outcome(channel, swap);
    if (outcome === "ok") this.#write(channel, swap);
    return { outcome, position: positionOf(channel), ...this.#reading(swap.channel, swap.key) };
  }

  async show(
    name: string,
    key: string,
    state: { generation: number; revision: number },
    shown: Member | LeaveReason,
  ): Promise<void> {
    // It was decided on data that are lost since.
    if (state.generation !== this.#state.generation) return;
    const channel = this.#channel(name);
    const known = channel.shown.get(key);
    if (known && !isLater(known, state)) return;
    channel.shown.set(key, state);
    if (typeof shown !== "string" || channel.roster.has(key)) this.#tell(name, channel, key, shown, {});
  }

  async roster(name: string): Promise<RosterReading> {
    const channel = this.#channel(name);
    return { ...positionOf(channel), ageMs: this.#now() - channel.since, members: [...channel.roster.values()] };
  }

  async position(name: string): Promise<PresencePosition> {
    return positionOf(this.#channel(name));
  }

  async count(channel: string): Promise<number> {
    return this.#state.channels.get(channel)?.roster.size ?? 0;
  }

  async listen(channel: string, listener: RecordListener): Promise<void> {
    const known = this.#listeners.get(channel) ?? new Set();
    if (known.has(listener)) return;
    this.#listeners.set(channel, known.add(listener));
    listener.confirmed(channel);
  }

  unlisten(channel: string, listener?: RecordListener): void {
    const known = this.#listeners.get(channel);
    if (listener) known?.delete(listener);
    if (!listener || known?.size === 0) this.#listeners.delete(channel);
  }

  async lease(request: LeaseRequest): Promise<LeaseReply> {
    const { incarnation, leaseMs, take, generation, maySweep } = request;
    const state = this.#state;
    const now = this.#now();
    if (state.generation === 0 && state.founding === "") state.founding = `${incarnation} ${now}`;
    const held = state.generation > 0 && (take || (this.#isAlive(incarnation) && generation === state.generation));
    // Who knows another generation says that something was lost.
    if (generation > 0 && state.generation > 0 && generation !== state.generation) state.lost ??= state.founded;
    if (held) state.leases.set(incarnation, now + leaseMs);
    const dead = held && maySweep ? [...state.leases].filter(([, until]) => until <= now).map(([id]) => id) : [];
    const sinceLossMs = state.lost === null ? null : now - state.lost;
    const { founding } = state;
    return { held, generation: state.generation, founding, ageMs: now - state.founded, sinceLossMs, dead };
  }

  async found(_part: number, generation: number, founding: string, lost: boolean): Promise<void> {
    const state = this.#state;
    if (state.generation > 0 || state.founding !== founding) return;
    state.founding = "";
    state.generation = generation;
    state.founded = this.#now();
    state.lost = lost ? state.founded : null;
  }

  async disown(_part: number, generation: number): Promise<void> {
    if (generation === this.#state.generation) this.#state.generation = 0;
  }

  async noted(_part: number, incarnation: string): Promise<string[]> {
    return [...(this.#state.notes.get(incarnation) ?? [])];
  }

  async strike(_part: number, incarnation: string, channels: readonly string[], generation: number): Promise<void> {
    if (generation !== this.#state.generation) return;
    const noted = this.#state.notes.get(incarnation);
    for (const channel of channels) noted?.delete(channel);
    if (noted?.size === 0) this.#state.notes.delete(incarnation);
  }

  async retire(_part: number, incarnation: string, generation: number): Promise<void> {
    if (generation !== this.#state.generation || this.#state.notes.has(incarnation)) return;
    this.#state.leases.delete(incarnation);
  }

  /** Forgets channels that were empty for a while, and states of workstations that left projects long ago. */
  #forgetIdle(now: number): void {
    for (const [name, channel] of this.#state.channels) {
      const isIdle =
        !this.#listeners.has(name) && ![...channel.records.values()].some(({ record }) => isPresent(record));
      if (!isIdle || channel.roster.size > 0) channel.idleSince = null;
      else channel.idleSince ??= now;
      if (channel.idleSince !== null && now - channel.idleSince >= IDLE_MS) this.#state.channels.delete(name);
      for (const [key, { revision }] of channel.shown) {
        if (!channel.roster.has(key) && revision < (now - IDLE_MS) * 1_000) channel.shown.delete(key);
      }
    }
  }

  #outcome({ records }: Channel, { key, expected, generation, incarnation }: Swap): SwapOutcome {
    if (generation === 0 || generation !== this.#state.generation) return "lost";
    if (incarnation !== null && !this.#isAlive(incarnation)) return "cut_off";
    return (records.get(key)?.revision ?? 0) === expected ? "ok" : "conflict";
  }

  #write(channel: Channel, { channel: name, key, next, shown, floor }: Swap): void {
    const revision = this.#mint(Math.max(floor, channel.records.get(key)?.revision ?? 0));
    const before = channel.records.get(key)?.record ?? null;
    if (next === null && before && !before.workstation) channel.records.delete(key);
    else channel.records.set(key, { record: next, revision });
    const { workstation } = next ?? {};
    const projectIds =
      workstation && workstation.projectIds !== before?.workstation?.projectIds ? workstation.projectIds : undefined;
    const { connectionId, ticket } = next ? newestOf(next) : { connectionId: "", ticket: null };
    const owner = next?.state.kind === "live" && ticket ? { connectionId, ticket } : undefined;
    const more = { ...(projectIds && { projectIds }), ...(owner && { owner }) };
    if (shown) this.#tell(name, channel, key, shown, more);
    else if (projectIds || owner) this.#publish(name, { ...positionOf(channel), ...more });
  }

  #tell(name: string, channel: Channel, key: string, shown: Member | LeaveReason, more: Partial<RosterMessage>): void {
    channel.version += 1;
    const position = positionOf(channel);
    if (typeof shown === "string") channel.roster.delete(key);
    else channel.roster.set(key, shown);
    const change = typeof shown === "string" ? { leave: { key, reason: shown } } : { put: shown };
    this.#publish(name, { ...position, ...change, ...more });
  }

  #publish(channel: string, message: RosterMessage): void {
    for (const listener of this.#listeners.get(channel) ?? []) listener.message(channel, message);
  }

  #reading(channel: string, key: string): Reading {
    const { record, revision } = this.#state.channels.get(channel)?.records.get(key) ?? { record: null, revision: 0 };
    const now = this.#now();
    return { key, record, revision, now, generation: this.#state.generation, ageMs: now - this.#state.founded };
  }

  #channel(name: string): Channel {
    const known = this.#state.channels.get(name);
    if (known) return known;
    const now = this.#now();
    if (now - this.#lookedAt > IDLE_MS) {
      this.#lookedAt = now;
      this.#forgetIdle(now);
    }
    // A roster that was forgotten and comes back must not look like the one before: its versions do.
    this.#state.epochs += 1;
    const epoch = `${this.#epoch}.${this.#state.epochs.toString(36)}`;
    const rest = { records: new Map(), roster: new Map(), shown: new Map(), idleSince: null };
    const channel: Channel = { epoch, version: 0, since: now, ...rest };
    this.#state.channels.set(name, channel);
    return channel;
  }

  #mint(floor: number): number {
    this.#state.newest = Math.max(this.#state.newest + 1, floor + 1, this.#now() * 1_000);
    return this.#state.newest;
  }

  #isAlive(incarnation: string): boolean {
    return (this.#state.leases.get(incarnation) ?? 0) > this.#now();
  }
}

function positionOf({ epoch, version }: Channel): PresencePosition {
  return { epoch, version };
}

function isLater(
  known: { generation: number; revision: number },
  state: { generation: number; revision: number },
): boolean {
  return state.generation === known.generation ? state.revision > known.revision : state.generation > known.generation;
}
