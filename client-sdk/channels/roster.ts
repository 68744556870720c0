import type { Leave, Member, PresenceDiff, Roster } from "../protocol/index.ts";

/** The number of diffs that are kept while out of sync. The requested snapshot is newer than any older diffs. */
const MAX_EARLY_DIFFS = 1_000;

export type RosterEvent =
  | { type: "sync" }
  | { type: "join"; member: Member }
  | { type: "update"; member: Member; previous: Member }
  | { type: "leave"; member: Member; reason: Leave["reason"] };

/** A roster as one client knows it. `inStep` is false before the first snapshot and after a gap. */
export interface RosterState {
  readonly epoch: string;
  readonly version: number;
  readonly members: ReadonlyMap<string, Member>;
  readonly inStep: boolean;
  /** Diffs that arrived while out of sync, in order of arrival. */
  readonly early: readonly PresenceDiff[];
}

export interface RosterChange {
  roster: RosterState;
  events: RosterEvent[];
  /** The diff does not follow the roster's version: a snapshot must be requested. */
  gap: boolean;
}

export const EMPTY_ROSTER: RosterState = { epoch: "", version: 0, members: new Map(), inStep: false, early: [] };

/**
 * Marks the roster out of sync after its connection was lost. The last known members stay; no diff applies before a
 * snapshot.
 */
export function losePlace(roster: RosterState): RosterState {
  return { ...roster, inStep: false, early: [] };
}

/**
 * Replaces the roster with a snapshot and applies the newer kept diffs. If one of them does not follow, the gap stays
 * open. A snapshot older than the roster changes nothing.
 */
export function applySnapshot(roster: RosterState, snapshot: Roster): RosterChange {
  const outdated = roster.inStep && snapshot.epoch === roster.epoch && snapshot.version < roster.version;
  if (outdated) return { roster, events: [], gap: false };
  const replaced = replaceMembers(roster, snapshot);
  return synced(roster.early.filter((diff) => diff.epoch === snapshot.epoch).reduce(followWith, replaced));
}

/**
 * Applies a diff that follows the roster's version, or a full one (`from: null`). Repeats change nothing. A diff that
 * does not follow puts the roster out of sync: it is kept, and a snapshot must be requested.
 */
export function applyDiff(roster: RosterState, diff: PresenceDiff): RosterChange {
  if (diff.from === null) return synced(replaceMembers(roster, { ...diff, members: diff.joins }));
  if (!roster.inStep) return kept(roster, [...roster.early, diff].slice(-MAX_EARLY_DIFFS), false);
  const sameEpoch = diff.epoch === roster.epoch;
  if (sameEpoch && diff.version <= roster.version) return { roster, events: [], gap: false };
  return sameEpoch && diff.from === roster.version ? changeMembers(roster, diff) : kept(roster, [diff], true);
}

function kept(roster: RosterState, early: PresenceDiff[], gap: boolean): RosterChange {
  return { roster: { ...roster, inStep: false, early }, events: [], gap };
}

/** `sync` comes last, so that its handlers see the state after all previous events. */
function synced({ roster, events }: RosterChange): RosterChange {
  return roster.inStep ? { roster, events: [...events, { type: "sync" }], gap: false } : { roster, events, gap: true };
}

function followWith(change: RosterChange, diff: PresenceDiff): RosterChange {
  const { roster, events, gap } = applyDiff(change.roster, diff);
  return { roster, events: [...change.events, ...events], gap };
}

function changeMembers(roster: RosterState, diff: PresenceDiff): RosterChange {
  const members = new Map(roster.members);
  const events = [
    ...diff.leaves.flatMap((leave) => removeMember(members, leave)),
    ...[...diff.joins, ...diff.updates].map((member) => putMember(members, member)),
  ];
  const next = events.length > 0 ? members : roster.members;
  return { roster: { ...roster, version: diff.version, members: next }, events, gap: false };
}

/** Decides between join and update by the members known to the application, so that joins and leaves alternate. */
function putMember(members: Map<string, Member>, member: Member): RosterEvent {
  const previous = members.get(member.key);
  members.set(member.key, member);
  return previous ? { type: "update", member, previous } : { type: "join", member };
}

function removeMember(members: Map<string, Member>, { key, reason }: Leave): RosterEvent[] {
  const member = members.get(key);
  members.delete(key);
  return member ? [{ type: "leave", member, reason }] : [];
}

function replaceMembers(roster: RosterState, { epoch, version, members: list }: Roster): RosterChange {
  const members = new Map(roster.members);
  const staying = new Set(list.map((member) => member.key));
  const gone = [...members.keys()].filter((key) => !staying.has(key));
  const events = [
    ...gone.flatMap((key) => removeMember(members, { key, reason: "unknown" })),
    ...list
      .filter((member) => !sameMember(members.get(member.key), member))
      .map((member) => putMember(members, member)),
  ];
  const next = events.length > 0 ? members : roster.members;
  return { roster: { epoch, version, members: next, inStep: true, early: [] }, events, gap: false };
}

function sameMember(known: Member | undefined, member: Member): boolean {
  return known !== undefined && JSON.stringify(known) === JSON.stringify(member);
}
