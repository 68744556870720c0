import {
  type LeaveReason,
  type PresencePosition,
  parseChannel,
  projectWorkstationsChannel,
} from "@monster-realtime/client/protocol";
import { HubError } from "../kernel/errors.ts";
import type { Logger } from "../kernel/log.ts";
import { inBatches } from "./batches.ts";
import { FollowUp } from "./follow-up.ts";
import { beat, type Holding, Holdings, isOutrun, isSame, type Owner } from "./holdings.ts";
import type { Lease } from "./lease.ts";
import type { Leases } from "./leases.ts";
import type { JoinRequest, SharedPresenceEvents, WorkstationPresence } from "./presence.ts";
import type { MembershipReply, PresenceScripts } from "./presence-scripts.ts";
import { notJoined, replacedError } from "./refusals.ts";
import type { RosterMessage } from "./shared-rosters.ts";

export interface CustodyOptions {
  nodeId: string;
  graceMs: number;
  scripts: PresenceScripts;
  leases: Leases;
  events: SharedPresenceEvents;
  /** Resolves when every later message of the channel is heard. */
  listen(channel: string): Promise<void>;
  /** Nothing is held on the channel any more. */
  release(channel: string): void;
  stoodStill(): boolean;
  log: Logger;
}

/**
 * What this node answers for: what its connections joined, and suspect members whose time it keeps. What Redis could not be
 * told is told when it is back; what it forgot is entered again.
 */
export class Custody {
  /** What follows from its changes, and from those of nodes that are gone. */
  readonly followUp: FollowUp;
  readonly #options: CustodyOptions;
  readonly #holdings = new Holdings();
  /** Something could not be told to Redis. */
  #owing = false;
  #repairing: Promise<void> | null = null;
  #onHold = false;

  constructor(options: CustodyOptions) {
    this.#options = options;
    this.followUp = new FollowUp({
      ...options,
      noticed: (reply, presence) => this.#changed(reply, presence),
      release: (channel) => this.release(channel),
    });
  }

  /** Whether this node has to hear of the channel. */
  has(channel: string): boolean {
    return this.#holdings.has(channel) || this.followUp.keepsTime(channel);
  }

  async join(request: JoinRequest): Promise<PresencePosition> {
    // Held before anything is waited for: whoever is lost meanwhile must not be entered behind its end.
    const holding = this.#holdings.add(request, this.#options.leases.of(request.channel));
    const joined = this.#join(holding);
    holding.joined = joined.catch(() => undefined);
    return joined;
  }

  /** Throws `not_joined`, `replaced`. */
  async update(channel: string, connectionId: string, meta: Record<string, unknown>): Promise<PresencePosition> {
    const holding = await this.#held(channel, connectionId);
    const lease = await this.#options.leases.valid(channel);
    if (holding.incarnation !== lease.incarnation) await this.#register(holding);
    let reply = await this.#options.scripts.update(holding.request, meta, holding.incarnation, holding.revision);
    if (reply.status === "not_joined") {
      // Data may have been lost a moment ago.
      await this.#options.leases.renew(lease);
      await this.#register(holding);
      reply = await this.#options.scripts.update(holding.request, meta, holding.incarnation, holding.revision);
    }
    if (reply.status === "replaced") this.#replace(holding);
    if (reply.status !== "ok") throw reply.status === "replaced" ? replacedError() : notJoined();
    holding.meta = meta;
    holding.order = reply.revision;
    await this.#follow(reply);
    return reply.position;
  }

  /** Throws `not_joined`, `replaced`, and `unavailable` where it can only be carried out later. */
  async leave(channel: string, connectionId: string, reason: LeaveReason): Promise<PresencePosition> {
    const holding = await this.#held(channel, connectionId);
    holding.ending = { kind: "leave", reason };
    const reply = await this.#end(holding);
    if (reply.status !== "ok") throw reply.status === "replaced" ? replacedError() : notJoined();
    return reply.position;
  }

  async lose(channel: string, connectionId: string): Promise<void> {
    const holding = this.#holdings.get(channel, connectionId);
    if (!holding) return;
    holding.ending ??= { kind: "lose" };
    await holding.joined;
    if (!this.#holdings.isCurrent(holding)) return;
    await this.#end(holding).catch((error: unknown) => {
      this.#options.log.debug({ err: error, channel }, "Redis was not told of a lost connection: it is tried again");
    });
  }

  async setProjects(channel: string, projectIds: readonly string[]): Promise<void> {
    const holding = this.#holdings.owner(channel);
    const before = holding?.request.workstation?.projectIds;
    // Asked about every connection every other second, it must not ask Redis.
    if (before && isSame(before, projectIds)) return;
    const reply = await this.#options.scripts.setProjects(channel, channel, projectIds, holding?.revision ?? 0);
    this.#holdings.setProjects(channel, projectIds);
    if (reply.status !== "ok") return;
    this.#holdings.raise(reply);
    await this.followUp.show(reply, before && projectIds.filter((id) => !before.includes(id)));
  }

  /** A new revision without asking Redis, for a workstation that this node surely owns; null for every other. */
  touch(channel: string): WorkstationPresence | null {
    const holding = this.#holdings.owner(channel);
    return holding ? beat(holding) : null;
  }

  /** The workstations that this node answers for. */
  present(): WorkstationPresence[] {
    const found = new Map<string, WorkstationPresence>();
    for (const presence of this.followUp.suspects()) found.set(presence.workstationId, presence);
    for (const presence of this.#holdings.presences()) found.set(presence.workstationId, presence);
    return [...found.values()];
  }

  /** What Redis holds of a workstation's channel: whoever is older learns that it was replaced. */
  noticed(reply: MembershipReply): void {
    this.#outrun(reply.channel, reply);
    this.#holdings.raise(reply);
  }

  /**
   * As `noticed`; and where the store lacks a workstation that this node holds, it is entered again, unless something
   * newer was there. Whether the store has it now from here.
   */
  async restored(reply: MembershipReply): Promise<boolean> {
    this.noticed(reply);
    const holding = this.#holdings.owner(reply.channel);
    const isThere = reply.state === "live" && reply.connectionId === holding?.request.connectionId;
    if (!holding || holding.number === null || isThere) return isThere;
    this.#options.log.warn({ channel: reply.channel }, "a connected workstation was missing: it is entered again");
    await this.#register(holding);
    return this.#holdings.isCurrent(holding);
  }

  told(channel: string, message: RosterMessage): void {
    this.followUp.told(channel, message);
    if (message.projects !== undefined)
      this.#holdings.setProjects(channel, message.projects.split(" ").filter(Boolean));
    if (message.connection === undefined || message.number === undefined) return;
    this.#outrun(channel, { connectionId: message.connection, number: message.number });
  }

  /** The channel's messages are heard anew, some may have been missed. False where nothing was held on it before. */
  confirmed(channel: string): boolean {
    const holding = this.#holdings.owner(channel);
    if (!holding?.presence) return false;
    const { scripts, log } = this.#options;
    scripts.revision(channel, channel, "never", 0).then(
      (reply) => this.noticed(reply),
      (error: unknown) => log.debug({ err: error, channel }, "an owner could not be checked"),
    );
    return true;
  }

  /** Enters again what is held under an older incarnation, and tells what could not be told. */
  repair(taken: boolean): void {
    if (!taken && !this.#owing && !this.followUp.owes) return;
    const before = this.#repairing ?? Promise.resolve();
    const repairing: Promise<void> = before
      .then(() => this.#repair())
      .catch((error: unknown) => {
        this.#owing = true;
        this.#options.log.warn({ err: error }, "presence was not entered again: it is tried again");
      })
      .finally(() => {
        if (this.#repairing === repairing) this.#repairing = null;
      });
    this.#repairing = repairing;
  }

  /** Rosters of projects went with the data: workstations whose own data is elsewhere are shown again. */
  async showAgain(lost: Lease): Promise<void> {
    const { leases, scripts } = this.#options;
    const isLost = (id: string) => leases.of(projectWorkstationsChannel(id)) === lost;
    const shown = [...this.#holdings.all()].filter(
      ({ request, lease }) => lease !== lost && request.workstation?.projectIds.some(isLost),
    );
    await inBatches(shown, async ({ request: { channel } }) => {
      const reply = await scripts.revision(channel, channel, "never", 0);
      await this.followUp.show(reply, reply.projects.filter(isLost));
    });
  }

  /** Lets go of the channel where nothing is held on it. */
  release(channel: string): void {
    // On hold the suspect have no timer here: they stay noted for whoever sweeps.
    if (this.#onHold || this.has(channel) || this.followUp.waits(channel)) return;
    this.#options.leases.release(channel);
    this.#options.release(channel);
  }

  hold(): void {
    this.#onHold = true;
    this.followUp.close();
  }

  async close(): Promise<void> {
    this.#onHold = true;
    this.followUp.close();
    await this.#repairing;
  }

  async #join(holding: Holding): Promise<PresencePosition> {
    const { request, lease, revision } = holding;
    const { leases, scripts, stoodStill } = this.#options;
    try {
      await leases.valid(request.channel);
      // Of a workstation's connections whoever took the later turn owns it.
      const turning = request.workstation ? scripts.turn(request.channel, revision) : 0;
      const [turn] = await Promise.all([turning, this.#prepare(holding)]);
      holding.incarnation = lease.incarnation;
      if (holding.ending || !this.#holdings.isCurrent(holding) || stoodStill())
        throw new HubError("unavailable", "The connection ended meanwhile, or this node stood still.");
      const reply = await scripts.join(request, holding.incarnation, holding.revision, turn);
      if (reply.status === "replaced") throw this.#replace(holding);
      this.#entered(holding, reply, reply.number, reply.revision);
      await this.#follow(reply);
      return reply.position;
    } catch (error) {
      // Whether it joined is unknown. Unless it tries again, it is taken out.
      holding.ending ??= { kind: "lose" };
      this.#owing = true;
      throw error;
    }
  }

  /** Before it is entered it is noted, for whoever sweeps, and the workstation's owners are listened to. */
  async #prepare({ request: { channel, workstation }, lease }: Holding): Promise<void> {
    // Where it is not heard yet, the owner is looked up once it is.
    const heard = workstation && this.#options.listen(channel).catch(() => undefined);
    await Promise.all([lease.enter(channel), heard]);
  }

  /** The store has entered the holding with these numbers. */
  #entered(holding: Holding, reply: MembershipReply, number: number, order: number): void {
    holding.number = number;
    holding.order = order;
    holding.joinedAt = reply.member?.joinedAt ?? 0;
    if (holding.rival && isOutrun(holding, holding.rival)) this.#replace(holding);
    holding.rival = null;
    // The lease may have run out meanwhile: then it is entered where nobody looks.
    if (holding.incarnation !== holding.lease.incarnation) this.repair(true);
  }

  async #held(channel: string, connectionId: string): Promise<Holding> {
    const holding = this.#holdings.get(channel, connectionId);
    await holding?.joined;
    if (holding && !holding.ending && this.#holdings.isCurrent(holding)) return holding;
    if (parseChannel(channel)?.kind !== "workstation") throw notJoined();
    const { state } = await this.#options.scripts.revision(channel, channel, "never", 0);
    throw state === "absent" ? notJoined() : replacedError();
  }

  async #register(holding: Holding): Promise<void> {
    const { leases, events, scripts } = this.#options;
    await leases.valid(holding.request.channel);
    await this.#prepare(holding);
    // What ends meanwhile must not be entered behind its end.
    if (holding.ending || !this.#holdings.isCurrent(holding)) return;
    const { request, meta, order, joinedAt } = holding;
    const incarnation = holding.lease.incarnation;
    const numbers = { floor: holding.revision, number: holding.number ?? 0, order, joinedAt };
    const reply = await scripts.register({ request, meta, incarnation, ...numbers });
    holding.incarnation = incarnation;
    if (reply.status === "replaced") this.#replace(holding);
    if (reply.status === "gone" && this.#holdings.isCurrent(holding)) {
      this.#holdings.remove(holding);
      this.release(request.channel);
      events.gaveUp(request.connectionId, request.channel);
    }
    if (reply.status === "ok") await this.#follow(reply);
    if (reply.status === "kept" && request.workstation) await this.followUp.show(reply);
  }

  async #end(holding: Holding): Promise<MembershipReply> {
    const { request, ending, revision } = holding;
    const { leases, scripts, graceMs } = this.#options;
    try {
      const lease = await leases.valid(request.channel);
      await lease.enter(request.channel);
      const reply =
        ending?.kind === "leave"
          ? await scripts.leave(request, ending.reason, revision)
          : await scripts.lose(request, lease.incarnation, graceMs, revision);
      this.#holdings.remove(holding);
      if (reply.status === "ok") await this.#follow(reply);
      this.release(request.channel);
      return reply;
    } catch (error) {
      this.#owing = true;
      throw error;
    }
  }

  async #repair(): Promise<void> {
    this.#owing = false;
    await inBatches([...this.#holdings.all()], async (holding) => {
      if (!this.#holdings.isCurrent(holding)) return;
      if (holding.ending) await holding.joined.then(() => this.#end(holding));
      else if (holding.number !== null && holding.incarnation !== holding.lease.incarnation)
        await this.#register(holding);
    });
    if (!(await this.followUp.retry())) this.#owing = true;
  }

  /** After a change that this node made. */
  async #follow(reply: MembershipReply): Promise<void> {
    if (!(await this.followUp.changed(reply))) this.#owing = true;
  }

  #changed(reply: MembershipReply, presence: WorkstationPresence): void {
    this.#outrun(reply.channel, reply);
    const holding = this.#holdings.get(reply.channel, reply.connectionId);
    if (holding) holding.presence = presence;
    this.#holdings.raise(reply);
  }

  #outrun(channel: string, owner: Owner): void {
    for (const holding of this.#holdings.outrunBy(channel, owner)) this.#replace(holding);
  }

  #replace(holding: Holding): HubError {
    if (!this.#holdings.isCurrent(holding)) return replacedError();
    const { channel, connectionId } = holding.request;
    this.#holdings.remove(holding);
    if (!holding.ending) this.#options.events.replaced(connectionId, channel);
    this.release(channel);
    return replacedError();
  }
}
