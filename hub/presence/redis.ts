import {
  type LeaveReason,
  type PresencePosition,
  type Roster,
  workstationChannel,
} from "@monster-realtime/client/protocol";
import type { Logger } from "../kernel/log.ts";
import type { RedisConnection } from "../redis/connection.ts";
import type { RedisSubscriptions, ShardListener } from "../redis/subscriptions.ts";
import { inBatches } from "./batches.ts";
import { Custody } from "./custody.ts";
import { DEFAULT_DIFF_WINDOW_MS } from "./diff-timer.ts";
import { presenceOf } from "./follow-up.ts";
import type { Lease, Renewal } from "./lease.ts";
import { Leases, RENEWALS_PER_LEASE } from "./leases.ts";
import type {
  JoinRequest,
  PresenceStore,
  PresenceWatcher,
  SharedPresenceEvents,
  WorkstationPresence,
} from "./presence.ts";
import { PresenceScripts } from "./presence-scripts.ts";
import { checkRevision } from "./revisions.ts";
import { type RosterMessage, SharedRosters } from "./shared-rosters.ts";
import { Standstill } from "./standstill.ts";
import { Sweeper } from "./sweeper.ts";

export interface RedisPresenceOptions {
  nodeId: string;
  graceMs: number;
  /** How long a node that is not heard of keeps what it holds. It renews three times in it. */
  leaseMs: number;
  /** How long changes are merged under load. */
  diffWindowMs?: number;
  /** How old the data must be before who isn't in it counts as absent; a lease and a grace by default. */
  settleMs?: number;
  redis: RedisConnection;
  subscriptions: RedisSubscriptions;
  events: SharedPresenceEvents;
  log: Logger;
  /** Milliseconds of a clock that never goes back, and runs on while the process is stopped. */
  monotonicNow?: () => number;
}

/** After a loss of data every node has noticed it, and entered what it holds again, within so many renewals. */
const RENEWALS_TO_SETTLE = 2;

/**
 * Presence of several nodes. Each verb is one script on the keys of one channel, conditional on what is there; the script
 * tells every node, which keep copies of the rosters that they watch. What spans channels follows, and is repaired:
 * project rosters, the rows of workstations, and what a node held that is gone.
 *
 * The connections to Redis stay the caller's.
 */
export class RedisPresence implements PresenceStore {
  readonly #options: RedisPresenceOptions;
  readonly #settleMs: number;
  readonly #scripts: PresenceScripts;
  readonly #leases: Leases;
  readonly #custody: Custody;
  readonly #rosters: SharedRosters;
  readonly #sweeper: Sweeper;
  readonly #standstill = new Standstill();
  readonly #listener: ShardListener;

  private constructor(options: RedisPresenceOptions) {
    const { graceMs, leaseMs, log, redis, nodeId, events, diffWindowMs = DEFAULT_DIFF_WINDOW_MS } = options;
    const now = options.monotonicNow ?? (() => performance.now());
    const listen = (channel: string) => this.#listen(channel);
    const release = (channel: string) => this.#release(channel);
    this.#options = options;
    this.#settleMs = options.settleMs ?? leaseMs + graceMs;
    const scripts = new PresenceScripts(redis);
    const renewed = (lease: Lease, renewal: Renewal) => this.#renewed(lease, renewal);
    const leases = new Leases({ redis, nodeId, leaseMs, now, log, renewed });
    const stoodStill = () => this.#standstill.recent;
    const custody = new Custody({ nodeId, graceMs, scripts, leases, events, listen, release, stoodStill, log });
    const settleMs = (leaseMs / RENEWALS_PER_LEASE) * RENEWALS_TO_SETTLE;
    this.#scripts = scripts;
    this.#leases = leases;
    this.#custody = custody;
    this.#rosters = new SharedRosters({ scripts, leases, diffWindowMs, leaseMs, settleMs, listen, release });
    this.#sweeper = new Sweeper({
      scripts,
      graceMs,
      takeOver: (reply) => custody.followUp.takeOver(reply),
      release: (channel) => custody.release(channel),
      log,
    });
    this.#listener = {
      message: (shard, text) => this.#told(channelOf(shard), JSON.parse(text) as RosterMessage),
      confirmed: (shard) => this.#confirmed(channelOf(shard)),
      released: () => undefined,
    };
  }

  /** Takes the node's lease. Throws `unavailable`. */
  static async open(options: RedisPresenceOptions): Promise<RedisPresence> {
    const store = new RedisPresence(options);
    await store.#leases.open();
    return store;
  }

  join(request: JoinRequest): Promise<PresencePosition> {
    return this.#custody.join(request);
  }

  update(channel: string, connectionId: string, meta: Record<string, unknown>): Promise<PresencePosition> {
    return this.#custody.update(channel, connectionId, meta);
  }

  leave(channel: string, connectionId: string, reason: LeaveReason): Promise<PresencePosition> {
    return this.#custody.leave(channel, connectionId, reason);
  }

  lose(channel: string, connectionId: string): Promise<void> {
    return this.#custody.lose(channel, connectionId);
  }

  count(channel: string): Promise<number> {
    return this.#scripts.count(channel);
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

  setProjects(workstationId: string, projectIds: readonly string[]): Promise<void> {
    return this.#custody.setProjects(workstationChannel(workstationId), projectIds);
  }

  async touch(workstationId: string): Promise<WorkstationPresence | null> {
    const channel = workstationChannel(workstationId);
    const own = this.#custody.touch(channel);
    if (own) return own;
    const reply = await this.#scripts.revision(channel, channel, "present", 0);
    return reply.status === "ok" ? presenceOf(reply, this.#options.nodeId) : null;
  }

  async present(): Promise<WorkstationPresence[]> {
    return this.#custody.present();
  }

  async mintAbsent(workstationIds: readonly string[]): Promise<{ workstationId: string; revision: number }[]> {
    const minted: { workstationId: string; revision: number; lease: Lease }[] = [];
    const isOld = (lease: Lease) => lease.ageMs >= this.#settleMs;
    await inBatches(workstationIds, async (workstationId) => {
      const channel = workstationChannel(workstationId);
      const lease = this.#leases.of(channel);
      if (!isOld(lease)) return;
      const reply = await this.#scripts.revision(channel, channel, "absent", 0);
      if (reply.status !== "ok" || (await this.#custody.restored(reply))) return;
      minted.push({ workstationId, revision: reply.revision, lease });
    });
    // Data that was lost a moment ago makes everybody absent, and a renewal finds it new.
    const leases = new Set(minted.map(({ lease }) => lease));
    await Promise.all([...leases].map((lease) => this.#leases.renew(lease)));
    return minted
      .filter(({ lease }) => isOld(lease))
      .map(({ workstationId, revision }) => ({ workstationId, revision }));
  }

  async raise(workstationId: string, floor: number): Promise<void> {
    checkRevision(floor);
    const channel = workstationChannel(workstationId);
    // The row is ahead: perhaps because a newer connection of which nothing was heard is written to it, or because this
    // node's is gone from the data. Without either being noticed its beats would be refused for ever.
    await this.#custody.restored(await this.#scripts.revision(channel, channel, "never", floor));
  }

  hold(): void {
    this.#custody.hold();
    void this.#sweeper.close();
  }

  async close(): Promise<void> {
    this.#rosters.close();
    this.#standstill.close();
    await Promise.all([this.#custody.close(), this.#sweeper.close()]);
    await this.#leases.close();
  }

  #renewed(lease: Lease, { taken, dataLost, dead }: Renewal): void {
    if (taken && dataLost) {
      this.#options.log.warn("Redis lost its data, or some: presence is entered again");
      this.#rosters.dataLost(lease);
      this.#custody.showAgain(lease).catch((error: unknown) => {
        this.#options.log.warn({ err: error }, "workstations were not shown on all of their projects again");
      });
    }
    this.#custody.repair(taken);
    this.#rosters.retry();
    for (const incarnation of dead) this.#sweeper.sweep(lease, incarnation);
  }

  #told(channel: string, message: RosterMessage): void {
    this.#custody.told(channel, message);
    this.#rosters.told(channel, message);
  }

  /** A subscription that began anew was lost: so may be more. */
  #confirmed(channel: string): void {
    const held = this.#custody.confirmed(channel);
    const watched = this.#rosters.confirmed(channel);
    if (held || watched) this.#leases.soon();
  }

  #listen(channel: string): Promise<void> {
    return this.#options.subscriptions.subscribe(this.#scripts.shard(channel), this.#listener);
  }

  #release(channel: string): void {
    if (this.#custody.has(channel) || this.#rosters.has(channel)) return;
    this.#options.subscriptions.unsubscribe(this.#scripts.shard(channel));
  }
}

/** The channel whose presence a sharded channel tells: its hash tag. */
function channelOf(shard: string): string {
  return shard.slice(shard.indexOf("{") + 1, shard.indexOf("}"));
}
