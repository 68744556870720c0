import {
  type LeaveReason,
  type PresencePosition,
  projectWorkstationsChannel,
  type Roster,
  workstationChannel,
} from "@monster-realtime/client/protocol";
import type { Logger } from "../kernel/log.ts";
import { BackgroundWork } from "./background-work.ts";
import { inBatches } from "./batches.ts";
import { DEFAULT_DIFF_WINDOW_MS } from "./diff-timer.ts";
import { Effects } from "./effects.ts";
import { type NodeLease, NodeLeases, RENEWALS_PER_LEASE, type Renewal } from "./leases.ts";
import { LocalConnections } from "./local-connections.ts";
import { MemberChanges, type Outcome } from "./member-changes.ts";
import { type Command, isSame, type MemberRecord, partsOf } from "./membership.ts";
import type {
  AbsentRevision,
  JoinRequest,
  OwnerTicket,
  PresenceOrder,
  PresenceStore,
  PresenceWatcher,
  PresentRow,
  SharedPresenceEvents,
  WorkstationPresence,
} from "./presence.ts";
import type { RecordListener, RecordStore, RosterMessage } from "./records.ts";
import { RosterReplicas } from "./roster-replicas.ts";
import { Takeover } from "./takeover.ts";

export interface NodePresenceOptions {
  store: RecordStore;
  nodeId: string;
  graceMs: number;
  /** How long a node that is not heard of keeps what it holds. Infinite for a hub that is alone. */
  leaseMs: number;
  /** How long changes are merged under load. */
  diffWindowMs?: number;
  /** How old the data must be before who isn't in it counts as absent; a lease and a grace by default. */
  settleMs?: number;
  /** A number that is greater than all that were drawn before, on whatever node. */
  drawGeneration: () => Promise<number>;
  events: SharedPresenceEvents;
  log: Logger;
  /** Milliseconds of a clock that never goes back, and runs on while the process is stopped. */
  now?: () => number;
}

/** Revisions are microseconds; one beyond the year 2200 is a fault of the row that shows it, not a time. */
const MAX_REVISION = 7_258_118_400_000_000;
/** After a loss of data every node has noticed it, and entered what it holds again, within so many renewals. */
const RENEWALS_TO_SETTLE = 2;

/**
 * Presence as one node of a hub has it: what its connections joined, suspect members whose time it keeps, and copies of
 * the rosters that its clients watch. The rules are in `membership.ts`; the store compares and swaps.
 */
export class NodePresence implements PresenceStore {
  readonly #options: NodePresenceOptions;
  readonly #store: RecordStore;
  readonly #leases: NodeLeases;
  readonly #changes: MemberChanges;
  readonly #connections: LocalConnections;
  readonly #effects: Effects;
  readonly #rosters: RosterReplicas;
  readonly #takeover: Takeover;
  readonly #background: BackgroundWork;
  readonly #listener: RecordListener;
  #onHold = false;

  constructor(options: NodePresenceOptions) {
    const { store, leaseMs, diffWindowMs = DEFAULT_DIFF_WINDOW_MS, log } = options;
    const now = options.now ?? (() => performance.now());
    const listen = (channel: string) => store.listen(channel, this.#listener);
    const release = (channel: string) => this.#release(channel);
    this.#options = options;
    this.#store = store;
    const background = new BackgroundWork(log);
    const leases = new NodeLeases({ ...options, now, renewed: (...renewed) => this.#renewed(...renewed) });
    const changes = new MemberChanges({
      store,
      leases,
      floorOf: (channel, key) => this.#connections.held.floorOf(channel, key),
      follow: (outcome) => this.#effects.follow(outcome),
    });
    const shared = { ...options, now, leases, changes, background, listen, release };
    this.#background = background;
    this.#leases = leases;
    this.#changes = changes;
    this.#connections = new LocalConnections({
      ...shared,
      presenceOf: (...of) => this.#effects.presenceOf(...of),
    });
    this.#effects = new Effects({ ...shared, learn: (...of) => this.#connections.learn(...of) });
    const settleMs = (leaseMs / RENEWALS_PER_LEASE) * RENEWALS_TO_SETTLE;
    this.#rosters = new RosterReplicas({ ...shared, diffWindowMs, settleMs });
    this.#takeover = new Takeover({
      ...shared,
      isOver: () => this.#onHold,
      show: (...of) => this.#effects.projects.show(...of),
    });
    this.#listener = {
      message: (channel, message) => this.#message(channel, message),
      confirmed: (channel) => this.#confirmed(channel),
    };
  }

  /** Takes the node's leases, and renews them from now on. Throws `unavailable`. */
  static async open(options: NodePresenceOptions): Promise<NodePresence> {
    const presence = new NodePresence(options);
    await presence.start();
    return presence;
  }

  start(): Promise<void> {
    return this.#leases.open();
  }

  admit(workstationId: string): Promise<OwnerTicket> {
    return this.#connections.admit(workstationChannel(workstationId));
  }

  join(request: JoinRequest): Promise<PresencePosition> {
    return this.#connections.join(request);
  }

  update(channel: string, connectionId: string, meta: Record<string, unknown>): Promise<PresencePosition> {
    return this.#connections.update(channel, connectionId, meta);
  }

  leave(channel: string, connectionId: string, reason: LeaveReason): Promise<PresencePosition> {
    return this.#connections.leave(channel, connectionId, reason);
  }

  lose(channel: string, connectionId: string): Promise<void> {
    return this.#connections.lose(channel, connectionId);
  }

  count(channel: string): Promise<number> {
    return this.#store.count(channel);
  }

  list(channel: string): Promise<Roster> {
    return this.#rosters.list(channel);
  }

  watch(channel: string, watcher: PresenceWatcher): Promise<Roster> {
    return this.#rosters.watch(channel, watcher);
  }

  unwatch(channel: string, watcher: PresenceWatcher): void {
    this.#rosters.unwatch(channel, watcher);
  }

  async setProjects(workstationId: string, projectIds: readonly string[]): Promise<void> {
    const channel = workstationChannel(workstationId);
    const before = this.#connections.held.owner(channel)?.request.workstation?.projectIds;
    // Called for every connection every other second, it must not ask the store.
    if (before && isSame(before, projectIds)) return;
    await this.#change(channel, { kind: "setProjects", projectIds });
    this.#connections.held.setProjects(channel, projectIds);
  }

  async touch(workstationId: string): Promise<WorkstationPresence | null> {
    const channel = workstationChannel(workstationId);
    const own = this.#connections.beat(channel);
    if (own) return own;
    const { status, reading } = await this.#change(channel, { kind: "mint", only: "present" });
    return status === "ok" ? this.#effects.presenceOf(channel, reading) : null;
  }

  async present(): Promise<WorkstationPresence[]> {
    const present = new Map<string, WorkstationPresence>();
    for (const presence of this.#effects.suspects.presences()) present.set(presence.workstationId, presence);
    for (const presence of this.#connections.held.presences()) present.set(presence.workstationId, presence);
    return [...present.values()];
  }

  async mintAbsent(workstationIds: readonly string[]): Promise<AbsentRevision[]> {
    const settleMs = this.#options.settleMs ?? (this.#isAlone ? 0 : this.#options.leaseMs + this.#options.graceMs);
    const isOld = (lease: NodeLease) => lease.ageMs >= settleMs;
    const minted: (AbsentRevision & { lease: NodeLease })[] = [];
    await inBatches(workstationIds, async (workstationId) => {
      const channel = workstationChannel(workstationId);
      const lease = this.#leases.of(channel);
      if (!isOld(lease)) return;
      const { status, reading } = await this.#change(channel, { kind: "mint", only: "absent" });
      if (status !== "ok" || (await this.#enterAgain(channel))) return;
      minted.push({ workstationId, generation: reading.generation, revision: reading.revision, lease });
    });
    // Data that was lost a moment ago makes everybody absent, and a renewal finds it new.
    const leases = this.#isAlone ? [] : new Set(minted.map(({ lease }) => lease));
    await Promise.all([...leases].map((lease) => this.#leases.renew(lease)));
    return minted.filter(({ lease }) => isOld(lease)).map(({ lease: _, ...absent }) => absent);
  }

  async raise(workstationId: string, { generation, revision }: PresenceOrder): Promise<void> {
    if (revision > MAX_REVISION) throw new RangeError(`presence revision ${revision} lies beyond the year 2200`);
    const channel = workstationChannel(workstationId);
    await this.#leases.outdated(channel, generation);
    const { reading } = await this.#change(channel, { kind: "mint", only: null }, revision);
    this.#connections.learn(channel, reading);
    // The row is ahead: perhaps because this node's workstation is gone from the data without anybody noticing.
    const owner = this.#connections.held.owner(channel)?.request.connectionId;
    if (!partsOf(reading.record).some(({ connectionId }) => connectionId === owner)) await this.#enterAgain(channel);
  }

  /** Workstations whose rows say online, and which have `forMs` to join. Only for a hub that is alone. */
  async restore(rows: readonly PresentRow[], forMs: number): Promise<void> {
    await Promise.all(rows.filter(({ revision }) => revision <= MAX_REVISION).map((row) => this.#restore(row, forMs)));
  }

  hold(): void {
    this.#onHold = true;
    this.#effects.suspects.close();
  }

  async close(): Promise<void> {
    this.hold();
    this.#rosters.close();
    await this.#background.close();
    await this.#leases.close();
  }

  get #isAlone(): boolean {
    return !Number.isFinite(this.#options.leaseMs);
  }

  #message(channel: string, message: RosterMessage): void {
    const { owner, projectIds } = message;
    if (projectIds) this.#connections.held.setProjects(channel, projectIds);
    if (owner) this.#connections.outrunBy(channel, owner);
    this.#rosters.message(channel, message);
  }

  /** The channel's messages are received from now on, some may have been missed. */
  #confirmed(channel: string): void {
    this.#rosters.confirmed(channel);
    if (this.#isAlone || !this.#connections.held.owner(channel)) return;
    const learned = this.#store.read(channel, channel).then((reading) => this.#connections.learn(channel, reading));
    this.#background.run(learned, channel);
  }

  #renewed(lease: NodeLease, { taken, dataLost, dead }: Renewal): void {
    if (taken && dataLost) {
      this.#options.log.warn("Redis lost its data, or some: presence is entered again");
      this.#rosters.dataLost(lease);
      this.#background.run(this.#showAgain(lease), "project rosters");
    }
    this.#connections.repair(lease);
    this.#background.run(this.#effects.projects.retry(), "project rosters");
    for (const incarnation of dead) this.#background.run(this.#takeover.run(lease, incarnation), incarnation);
  }

  /** Rosters of projects went with the data: workstations whose own data is elsewhere are shown again. */
  async #showAgain(lost: NodeLease): Promise<void> {
    const isLost = (id: string) => this.#leases.of(projectWorkstationsChannel(id)) === lost;
    const shown = [...this.#connections.held.all()].filter(
      ({ request: { channel, workstation } }) =>
        this.#leases.of(channel) !== lost && workstation?.projectIds.some(isLost),
    );
    await inBatches(shown, async ({ request: { channel, key } }) => {
      const reading = await this.#store.read(channel, key);
      await this.#effects.projects.show(channel, reading, reading.record?.workstation?.projectIds.filter(isLost));
    });
  }

  /** Whether this node holds the workstation, which the store lacks: then it is entered again. */
  async #enterAgain(channel: string): Promise<boolean> {
    if (!this.#connections.held.owner(channel)) return false;
    this.#options.log.warn({ channel }, "a connected workstation was missing: it is entered again");
    return this.#connections.enterAgain(channel);
  }

  async #restore(row: PresentRow, forMs: number): Promise<void> {
    const { workstationId, revision, memberKey, meta, seenAt, projectIds, ipAddress, userAgent, cliVersion } = row;
    const channel = workstationChannel(workstationId);
    const at = seenAt.getTime();
    const last = { connectionId: "", incarnation: "", ticket: { generation: 0, number: 0 }, meta, order: 0 };
    const workstation = { projectIds, stale: [], client: { ipAddress, userAgent, cliVersion } };
    await this.#changes.apply({
      channel,
      key: channel,
      holds: true,
      floor: revision,
      command: ({ now }, keeper) => {
        const state = { kind: "suspect" as const, last, until: now + forMs, keeper, reason: "timeout" as const };
        const record: MemberRecord = { memberKey, joinedAt: at, updatedAt: at, state, workstation };
        return { kind: "restore", record };
      },
    });
  }

  #change(channel: string, command: Command, floor?: number): Promise<Outcome> {
    const change = { channel, key: channel, holds: false, command: () => command };
    return this.#changes.inOrder(channel, channel, () =>
      this.#changes.apply(floor === undefined ? change : { ...change, floor }),
    );
  }

  /** Lets go of the channel where nothing is held on it. */
  #release(channel: string): void {
    const isHeld = this.#connections.held.has(channel) || this.#effects.has(channel);
    // On hold the suspect have no timer here: they stay noted for whoever takes over.
    if (!isHeld && !this.#onHold) this.#leases.release(channel);
    if (!isHeld && !this.#rosters.has(channel)) this.#store.unlisten(channel);
  }
}
