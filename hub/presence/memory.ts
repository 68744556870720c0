import {
  type LeaveReason,
  type Member,
  type PresencePosition,
  parseChannel,
  projectWorkstationsChannel,
  type Roster,
  workstationChannel,
} from "@monster-realtime/client/protocol";
import { newId } from "../kernel/ids.ts";
import { DEFAULT_DIFF_WINDOW_MS, DiffTimer } from "./diff-timer.ts";
import { GraceQueue } from "./grace.ts";
import { holds, type Membership, toMember, withConnection, withoutConnection } from "./membership.ts";
import type {
  ClientInfo,
  JoinRequest,
  PresenceEvents,
  PresenceStore,
  PresenceWatcher,
  PresentRow,
  WorkstationPresence,
} from "./presence.ts";
import { notJoined, replacedError } from "./refusals.ts";
import { isRevision, Revisions } from "./revisions.ts";
import { ChannelRoster } from "./roster.ts";

export interface MemoryPresenceOptions {
  nodeId: string;
  graceMs: number;
  /** How long changes are merged under load. */
  diffWindowMs?: number;
  events: PresenceEvents;
}

const SWEEP_INTERVAL_MS = 60_000;

/** One channel: its members' connections, the roster they make, and who watches it. */
interface Channel {
  name: string;
  memberships: Map<string, Membership>;
  roster: ChannelRoster;
  /** Null: nobody. Most workstations' own channels have none. */
  watchers: Set<PresenceWatcher> | null;
  timer: DiffTimer | null;
}

/** What is known of a present workstation beyond its membership. */
interface WorkstationRecord {
  projectIds: readonly string[];
  client: ClientInfo;
  presence: WorkstationPresence;
}

/** Presence of a hub that is alone: every verb is one turn of the event loop. */
export class MemoryPresence implements PresenceStore {
  readonly #options: MemoryPresenceOptions;
  readonly #epoch = newId();
  #generation = 0;
  readonly #channels = new Map<string, Channel>();
  readonly #records = new Map<string, WorkstationRecord>();
  readonly #revisions = new Revisions();
  readonly #grace: GraceQueue;
  /** Members of the previous hub, until they join again or their time to do so has passed. */
  #restored: GraceQueue | null = null;
  readonly #sweeper: NodeJS.Timeout;

  constructor(options: MemoryPresenceOptions) {
    this.#options = options;
    this.#grace = new GraceQueue(options.graceMs, (channel, key) => this.#expire(channel, key));
    this.#sweeper = setInterval(() => this.#sweep(), SWEEP_INTERVAL_MS).unref();
  }

  async join(request: JoinRequest): Promise<PresencePosition> {
    const channel = this.#channel(request.channel);
    const before = channel.memberships.get(request.key);
    const owned = request.workstation !== undefined;
    // On its own channel a workstation is one connection: the newest join takes over from whoever held it.
    const base = owned && before ? { ...before, connections: [] } : before;
    const after = withConnection(base, request, Date.now());
    this.#returned(request.channel, request.key);
    if (owned && before) this.#tellReplaced(before, request);
    return this.#put(channel, after, request);
  }

  async update(channelName: string, connectionId: string, meta: Record<string, unknown>): Promise<PresencePosition> {
    const { channel, membership } = this.#held(channelName, connectionId);
    return this.#put(channel, withConnection(membership, { ...membership, connectionId, meta }, Date.now()));
  }

  async leave(channelName: string, connectionId: string, reason: LeaveReason): Promise<PresencePosition> {
    const { channel, membership } = this.#held(channelName, connectionId);
    const rest = withoutConnection(membership, connectionId, Date.now());
    if (rest.connections.length > 0) return this.#put(channel, rest);
    return this.#remove(channel, membership.key, reason);
  }

  async lose(channelName: string, connectionId: string): Promise<void> {
    const channel = this.#channels.get(channelName);
    const membership = channel && membershipOf(channel, connectionId);
    if (!channel || !membership) return;
    const rest = withoutConnection(membership, connectionId, Date.now());
    if (rest.connections.length === 0 && this.#options.graceMs === 0) {
      this.#remove(channel, membership.key, "timeout");
      return;
    }
    this.#put(channel, rest);
    if (rest.connections.length === 0) this.#grace.add(channelName, membership.key);
  }

  async list(channelName: string): Promise<Roster> {
    const channel = this.#channel(channelName);
    if (channel.roster.hasPending) channel.timer?.run();
    return channel.roster.snapshot();
  }

  async count(channelName: string): Promise<number> {
    return this.#channels.get(channelName)?.roster.size ?? 0;
  }

  async watch(channelName: string, watcher: PresenceWatcher): Promise<Roster> {
    const channel = this.#channel(channelName);
    channel.timer ??= new DiffTimer(this.#options.diffWindowMs ?? DEFAULT_DIFF_WINDOW_MS, () => this.#flush(channel));
    // Whoever watches already must hear what is pending before the snapshot, or the diff after it would not fit on it.
    if (channel.roster.hasPending) channel.timer.run();
    channel.watchers ??= new Set();
    channel.watchers.add(watcher);
    return channel.roster.snapshot();
  }

  unwatch(channelName: string, watcher: PresenceWatcher): void {
    const channel = this.#channels.get(channelName);
    if (!channel?.watchers?.delete(watcher) || channel.watchers.size > 0) return;
    channel.watchers = null;
    channel.timer?.cancel();
  }

  async setProjects(workstationId: string, projectIds: readonly string[]): Promise<void> {
    const record = this.#records.get(workstationId);
    const member = this.#channels.get(workstationChannel(workstationId))?.roster.member(`workstation:${workstationId}`);
    if (!record || !member) return;
    const gone = record.projectIds.filter((id) => !projectIds.includes(id));
    const added = projectIds.filter((id) => !record.projectIds.includes(id));
    record.projectIds = [...projectIds];
    this.#leaveProjects(gone, member.key, "revoked");
    this.#showOnProjects(added, member);
  }

  async touch(workstationId: string): Promise<WorkstationPresence | null> {
    const record = this.#records.get(workstationId);
    if (!record) return null;
    record.presence = { ...record.presence, revision: this.#revisions.mint(), at: Date.now() };
    return record.presence;
  }

  async present(): Promise<WorkstationPresence[]> {
    return [...this.#records.values()].map(({ presence }) => presence);
  }

  async mintAbsent(workstationIds: readonly string[]): Promise<{ workstationId: string; revision: number }[]> {
    return workstationIds
      .filter((workstationId) => !this.#records.has(workstationId))
      .map((workstationId) => ({ workstationId, revision: this.#revisions.mint() }));
  }

  async raise(_workstationId: string, floor: number): Promise<void> {
    this.#revisions.raise(floor);
  }

  /**
   * Registers the workstations that the previous hub left online, as suspect: they are reconnecting, and no roster may show
   * them leave meanwhile. Those that do not join within `settleMs` leave. Sends no event: their rows are online already.
   */
  restore(rows: readonly PresentRow[], settleMs: number): void {
    this.#restored ??= new GraceQueue(settleMs, (channel, key) => this.#expire(channel, key));
    for (const row of rows) this.#restoreRow(row, this.#restored);
  }

  hold(): void {
    this.#grace.close();
    this.#restored?.close();
  }

  async close(): Promise<void> {
    clearInterval(this.#sweeper);
    this.hold();
    for (const { timer } of this.#channels.values()) timer?.cancel();
  }

  #tellReplaced(before: Membership, { channel, connectionId }: JoinRequest): void {
    for (const old of before.connections) {
      if (old.connectionId !== connectionId) this.#options.events.replaced(old.connectionId, channel);
    }
  }

  #held(channelName: string, connectionId: string): { channel: Channel; membership: Membership } {
    const channel = this.#channel(channelName);
    const membership = membershipOf(channel, connectionId);
    if (membership) return { channel, membership };
    const owned = parseChannel(channelName)?.kind === "workstation" && channel.memberships.size > 0;
    throw owned ? replacedError() : notJoined();
  }

  #put(channel: Channel, membership: Membership, joined?: JoinRequest): PresencePosition {
    channel.memberships.set(membership.key, membership);
    const member = toMember(membership);
    this.#change(channel, (roster, track) => roster.put(member, track));
    this.#mirror(channel, membership, joined);
    return positionOf(channel);
  }

  #remove(channel: Channel, key: string, reason: LeaveReason): PresencePosition {
    channel.memberships.delete(key);
    this.#returned(channel.name, key);
    this.#change(channel, (roster, track) => roster.remove(key, reason, track));
    this.#mirrorLeave(channel, key, reason);
    return positionOf(channel);
  }

  #restoreRow(row: PresentRow, queue: GraceQueue): void {
    const { workstationId, revision, memberKey, meta, seenAt, projectIds, ipAddress, userAgent, cliVersion } = row;
    const channel = this.#channel(workstationChannel(workstationId));
    const key = `workstation:${workstationId}`;
    if (channel.memberships.has(key) || !isRevision(revision)) return;
    const at = seenAt.getTime();
    const membership = { key, memberKey, connections: [], lastMeta: meta, joinedAt: at, updatedAt: at };
    const client = { ipAddress, userAgent, cliVersion };
    const state = { state: "suspect", reason: null, connectionId: "", nodeId: this.#options.nodeId } as const;
    this.#revisions.raise(revision);
    this.#records.set(workstationId, {
      projectIds,
      client,
      presence: { ...state, workstationId, revision, meta, memberKey, client, at },
    });
    channel.memberships.set(key, membership);
    this.#change(channel, (roster, track) => roster.put(toMember(membership), track));
    this.#showOnProjects(projectIds, toMember(membership));
    queue.add(channel.name, key);
  }

  /** Its time does not run any more. */
  #returned(channelName: string, key: string): void {
    this.#grace.remove(channelName, key);
    this.#restored?.remove(channelName, key);
  }

  #expire(channelName: string, key: string): void {
    const channel = this.#channels.get(channelName);
    const suspect = channel?.memberships.get(key)?.connections.length === 0;
    if (channel && suspect) this.#remove(channel, key, "timeout");
  }

  /** The workstation's record and its projects' rosters follow its own channel. */
  #mirror(channel: Channel, membership: Membership, joined: JoinRequest | undefined): void {
    const workstationId = ownerOf(channel);
    if (!workstationId) return;
    const record = this.#records.get(workstationId);
    const client = joined?.workstation?.client ?? record?.client;
    const projectIds = joined?.workstation?.projectIds ?? record?.projectIds;
    if (!client || !projectIds) return;
    const connectionId = membership.connections.at(-1)?.connectionId ?? record?.presence.connectionId ?? "";
    const presence: WorkstationPresence = {
      workstationId,
      revision: this.#revisions.mint(),
      state: membership.connections.length > 0 ? "live" : "suspect",
      reason: null,
      meta: membership.lastMeta,
      memberKey: membership.memberKey,
      client,
      connectionId,
      nodeId: this.#options.nodeId,
      at: membership.updatedAt,
    };
    this.#records.set(workstationId, { projectIds, client, presence });
    const member = toMember(membership);
    const gone = record?.projectIds.filter((id) => !projectIds.includes(id)) ?? [];
    this.#leaveProjects(gone, member.key, "revoked");
    this.#showOnProjects(projectIds, member);
    this.#options.events.workstationChanged(presence);
  }

  #mirrorLeave(channel: Channel, key: string, reason: LeaveReason): void {
    const workstationId = ownerOf(channel);
    const record = workstationId && this.#records.get(workstationId);
    if (!workstationId || !record) return;
    this.#records.delete(workstationId);
    this.#leaveProjects(record.projectIds, key, reason);
    const presence = {
      ...record.presence,
      revision: this.#revisions.mint(),
      state: "absent" as const,
      reason,
      at: Date.now(),
    };
    this.#options.events.workstationChanged(presence);
  }

  #showOnProjects(projectIds: readonly string[], member: Member): void {
    for (const id of projectIds) this.#change(this.#projectChannel(id), (roster, track) => roster.put(member, track));
  }

  #leaveProjects(projectIds: readonly string[], key: string, reason: LeaveReason): void {
    for (const id of projectIds) {
      this.#change(this.#projectChannel(id), (roster, track) => roster.remove(key, reason, track));
    }
  }

  #change(channel: Channel, change: (roster: ChannelRoster, track: boolean) => unknown): void {
    change(channel.roster, channel.watchers !== null);
    if (channel.roster.hasPending) channel.timer?.schedule();
  }

  #flush(channel: Channel): void {
    const diff = channel.roster.takeDiff();
    if (diff) for (const watcher of channel.watchers ?? []) watcher(channel.name, diff);
  }

  #projectChannel(projectId: string): Channel {
    return this.#channel(projectWorkstationsChannel(projectId));
  }

  #channel(name: string): Channel {
    const known = this.#channels.get(name);
    if (known) return known;
    // A roster that was dropped and comes back must not look like the one before: its versions do.
    this.#generation += 1;
    const roster = new ChannelRoster(`${this.#epoch}.${this.#generation.toString(36)}`);
    const channel: Channel = { name, memberships: new Map(), roster, watchers: null, timer: null };
    this.#channels.set(name, channel);
    return channel;
  }

  #sweep(): void {
    for (const [name, channel] of this.#channels) {
      if (channel.roster.size === 0 && channel.watchers === null) this.#channels.delete(name);
    }
  }
}

function positionOf({ roster }: Channel): PresencePosition {
  return { epoch: roster.epoch, version: roster.version };
}

function membershipOf(channel: Channel, connectionId: string): Membership | undefined {
  for (const membership of channel.memberships.values()) if (holds(membership, connectionId)) return membership;
  return undefined;
}

function ownerOf(channel: Channel): string | null {
  const parsed = parseChannel(channel.name);
  return parsed?.kind === "workstation" ? parsed.id : null;
}
