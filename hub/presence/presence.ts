import type { LeaveReason, MemberKey, PresenceDiff, PresencePosition, Roster } from "@monster-realtime/client/protocol";
import type { Reading } from "./records.ts";

export type { ClientInfo };

import type { ClientInfo, Ticket } from "./membership.ts";

/**
 * Presence: who is there, by channel.
 *
 * What every implementation promises (`test/contract/presence.ts`):
 * - Each verb changes one channel in one step. Versions of a channel grow by one a change within its epoch, and every
 *   change reaches every watcher of that channel exactly once, in order, as merged diffs: each diff's `from` is the
 *   `version` of the one before.
 * - Members are keyed by member, not by connection: newest meta among the live connections, `connections` counting them.
 * - On `workstation:` channels the newest join owns the presence. The connection that owned it before is told by
 *   `replaced`; what it does afterwards is a no-op or `replaced`. There is no leave in between.
 * - A lost connection makes its member suspect once no live connection is left; after `graceMs` it leaves with `timeout`,
 *   exactly once. Joining within the grace is one update.
 * - A workstation's record is mirrored onto the project rosters in `projectIds`; a mirror applies only newer revisions.
 * - Nothing here knows rights: callers have checked them.
 */
export interface PresenceStore {
  /**
   * A workstation's connection is admitted, and not asked to join yet: its ticket orders it among the connections of the
   * workstation. Never throws: where the store can't be reached there is no ticket yet.
   */
  admit(workstationId: string): Promise<OwnerTicket>;
  /** Throws `unavailable` with `retryAfterMs: 0` where a connection with a later ticket owns the workstation. */
  join(request: JoinRequest): Promise<PresencePosition>;
  /** Replaces the whole meta. Throws `not_joined`, or `replaced` where a newer connection owns the workstation. */
  update(channel: string, connectionId: string, meta: Record<string, unknown>): Promise<PresencePosition>;
  /** Ends this connection's part at once. Throws `not_joined`; a replaced owner's leave changes nothing. */
  leave(channel: string, connectionId: string, reason: LeaveReason): Promise<PresencePosition>;
  /** The connection is gone without a goodbye: its member becomes suspect where no live connection remains. */
  lose(channel: string, connectionId: string): Promise<void>;
  list(channel: string): Promise<Roster>;
  /** How many members there are, live and suspect. */
  count(channel: string): Promise<number>;
  /** Hands over every later diff of the channel; the roster returned is the state they start from. */
  watch(channel: string, watcher: PresenceWatcher): Promise<Roster>;
  unwatch(channel: string, watcher: PresenceWatcher): void;
  /** The workstation's projects changed: project rosters follow. A no-op for absent workstations. */
  setProjects(workstationId: string, projectIds: readonly string[]): Promise<void>;
  /** A new revision for a present workstation without any change of it (a heartbeat); null where it is absent. */
  touch(workstationId: string): Promise<WorkstationPresence | null>;
  /**
   * The workstations that this node answers for, in no order: those whose presence its connections are, and suspect ones
   * whose time it keeps. In a hub that is alone that is every one present.
   */
  present(): Promise<WorkstationPresence[]>;
  /**
   * Mints a revision for each of these workstations that is absent from every node, so that a join in between has a newer
   * one. Leaves out those of which that can't be known: data that is younger than a lease and a grace proves nothing.
   */
  mintAbsent(workstationIds: readonly string[]): Promise<AbsentRevision[]>;
  /** The next state of the workstation is newer than this one, which its row has. */
  raise(workstationId: string, row: PresenceOrder): Promise<void>;
  /** The node is about to end: from now on nobody leaves by time-out here, others judge who comes back. */
  hold(): void;
  close(): Promise<void>;
}

export interface JoinRequest {
  channel: string;
  connectionId: string;
  /** `workstation:<id>` or `user:<id>`. */
  key: string;
  memberKey: MemberKey;
  meta: Record<string, unknown>;
  /** On `workstation:` channels alone: the project rosters to appear on, and what the row takes over. */
  workstation?: { projectIds: readonly string[]; client: ClientInfo; ticket: OwnerTicket };
}

/** Held by a workstation's connection for as long as it lives; what is in it is the store's. */
export interface OwnerTicket {
  value: Ticket | null;
  /** What the store had when the ticket was taken, and when that was, by the node's clock. */
  known: { reading: Reading; at: number } | null;
}

/** Orders the states of a workstation: a later generation is newer, and within one a greater revision. */
export interface PresenceOrder {
  /** Of the data in which the state was decided. */
  generation: number;
  revision: number;
}

/** A revision of a workstation that is absent from every node. */
export interface AbsentRevision extends PresenceOrder {
  workstationId: string;
}

/** A workstation whose row the previous hub left online. */
export interface PresentRow {
  workstationId: string;
  generation: number;
  revision: number;
  memberKey: MemberKey;
  meta: Record<string, unknown>;
  seenAt: Date;
  ipAddress: string | null;
  userAgent: string | null;
  cliVersion: string | null;
  projectIds: readonly string[];
}

export type PresenceWatcher = (channel: string, diff: PresenceDiff) => void;

/** The newest presence of one workstation, as the write-back takes it. Revisions are microseconds, safe integers. */
export interface WorkstationPresence {
  workstationId: string;
  /** Of the data in which it was decided; states of a later generation are newer. */
  generation: number;
  revision: number;
  /** `live` and `suspect` are present; `absent` has left. */
  state: "live" | "suspect" | "absent";
  reason: LeaveReason | null;
  meta: Record<string, unknown>;
  memberKey: MemberKey;
  client: ClientInfo;
  connectionId: string;
  nodeId: string;
  /** Milliseconds since 1970, by the hub's clock. */
  at: number;
}

/** What the store tells its node. */
export interface PresenceEvents {
  /** After every change of a workstation's own presence. */
  workstationChanged(presence: WorkstationPresence): void;
  /** A newer join took this connection's place on the channel. */
  replaced(connectionId: string, channel: string): void;
}

/** What the store of one node of several tells it. */
export interface SharedPresenceEvents extends PresenceEvents {
  /**
   * While this node was cut off, others held the connection for dead, and its workstation has left. Whether it still is
   * there only it can show: it must be ended with an error that lets it come back and join again.
   */
  gaveUp(connectionId: string, channel: string): void;
}

/** The reconciler's and writer's side of Postgres (`store/presence-writer.ts`). */
export interface PresenceSink {
  /** Takes the newest state; older revisions of the same workstation are forgotten. Never throws, never waits. */
  write(presence: WorkstationPresence): void;
}
