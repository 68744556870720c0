import type { Leave, Member, PresenceDiff, Roster } from "./protocol/index.ts";

/** While out of step more diffs than this are not worth keeping: the list that was asked for will be newer. */
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
  /** Diffs that came while out of step, in the order of arrival. */
  readonly early: readonly PresenceDiff[];
}

export interface RosterChange {
  roster: RosterState;
  events: RosterEvent[];
  /** What came does not follow: a snapshot has to be asked for. */
  gap: boolean;
}

export const EMPTY_ROSTER: RosterState = { epoch: "", version: 0, members: new Map(), inStep: false, early: [] };

/** The roster after its connection went away: its members are the last known ones, and nothing applies until a snapshot. */
export function losePlace(roster: RosterState): RosterState {
  return { ...roster, inStep: false, early: [] };
}

/**
 * Replaces the roster with a snapshot and applies the kept diffs that are newer; where one of those does not follow, the
 * gap stays open. A snapshot older than the roster changes nothing.
 */
export function applySnapshot(roster: RosterState, snapshot: Roster): RosterChange {
  const outdated = roster.inStep && snapshot.epoch === roster.epoch && snapshot.version < roster.version;
  if (outdated) return { roster, events: [], gap: false };
  const replaced = replaceMembers(roster, snapshot);
  return synced(roster.early.filter((diff) => diff.epoch === snapshot.epoch).reduce(followWith, replaced));
}

/**
 * Applies a diff that follows the roster's version, or a whole one (`from: null`). Repeats change nothing. One that does
 * not follow takes the roster out of step: it is kept, and a snapshot has to be asked for.
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

/** `sync` comes last, so that whoever hears it finds what the events before it told. */
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

/** Whether it is a join or an update is told by what the application knows, so that its joins and leaves alternate. */
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
