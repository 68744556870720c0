import type { LeaveReason, Member, MemberKey } from "@monster-realtime/client/protocol";

/** What a connection tells of itself and the hub writes back to the workstation's row. */
export interface ClientInfo {
  ipAddress: string | null;
  userAgent: string | null;
  cliVersion: string | null;
}

/**
 * Orders the connections of a workstation: the later one was admitted later. `generation` grows with each loss of data,
 * `number` within a generation.
 */
export interface Ticket {
  generation: number;
  number: number;
}

/** One connection's part in a member. */
export interface Part {
  connectionId: string;
  /** Of the node that holds the connection. */
  incarnation: string;
  /** Null on channels without an owner. */
  ticket: Ticket | null;
  meta: Record<string, unknown>;
  /** Metas of a member in the order in which they were set. */
  order: number;
}

/** A member of one channel: there, suspect, or what is left of it. */
export type MemberState =
  /** The newest meta last; never empty. */
  | { kind: "live"; parts: readonly Part[] }
  /** Its last connection is lost. `keeper`, an incarnation, ends it at `until` (ms, the store's clock). */
  | { kind: "suspect"; last: Part; until: number; keeper: string; reason: LeaveReason }
  /** A workstation that left. It can't be registered again, and projects may still show it. */
  | { kind: "gone"; last: Part; reason: LeaveReason };

/** What a workstation's record has beyond a person's. */
export interface WorkstationPart {
  projectIds: readonly string[];
  /** Projects that may still show it and shall not. */
  stale: readonly string[];
  client: ClientInfo;
}

export interface MemberRecord {
  memberKey: MemberKey;
  /** Milliseconds since 1970, by the store's clock. */
  joinedAt: number;
  updatedAt: number;
  state: MemberState;
  /** On `workstation:` channels alone, where the newest ticket owns the presence. */
  workstation: WorkstationPart | null;
}

export type Command =
  | { kind: "join"; part: Joining; memberKey: MemberKey; workstation: Owned | null }
  /** A live connection is entered again: after its node was cut off, or the data was lost. */
  | { kind: "register"; part: Part; joinedAt: number; memberKey: MemberKey; workstation: Owned | null }
  | { kind: "update"; connectionId: string; incarnation: string; meta: Record<string, unknown> }
  | { kind: "leave"; connectionId: string; reason: LeaveReason }
  /** The connection is gone without a goodbye. */
  | { kind: "lose"; connectionId: string; keeper: string; graceMs: number }
  | { kind: "expire" }
  /** A node's lease ended. */
  | { kind: "takeOver"; dead: string; keeper: string; graceMs: number }
  | { kind: "setProjects"; projectIds: readonly string[] }
  /** All projects show the state with this revision. */
  | { kind: "shown"; revision: number }
  /** A new revision without a change, where the member is present or absent. */
  | { kind: "mint"; only: "present" | "absent" | null }
  /** A workstation whose row says online, and which has until then to come back. */
  | { kind: "restore"; record: MemberRecord };

export type Joining = Omit<Part, "order">;
export type Owned = Pick<WorkstationPart, "projectIds" | "client">;

/**
 * `ok`: to be written. `kept`: it is as it should be. `nothing`: there is nothing to do. `early`: the time isn't up.
 * `outrun`: the ticket is older than the owner's, or missing. `replaced`: another connection owns the workstation.
 * `gone`: this connection left meanwhile. `not_joined`: it holds nothing.
 */
export type Status = "ok" | "kept" | "nothing" | "early" | "outrun" | "replaced" | "gone" | "not_joined";

/** `next`: null deletes the record; without it nothing is written. `left`: with this reason the member leaves. */
export interface Decision {
  status: Status;
  next?: MemberRecord | null;
  left?: LeaveReason;
}

/**
 * All rules of ownership, grace and replacement. Pure: the record as the store has it (null: none), and the store's time.
 */
export function decide(record: MemberRecord | null, command: Command, now: number): Decision {
  switch (command.kind) {
    case "join":
      return join(record, command, now);
    case "register":
      return register(record, command, now);
    case "update":
      return update(record, command, now);
    case "leave":
      return leave(record, command, now);
    case "lose":
      return lose(record, command, now);
    case "expire":
      return expire(record, now);
    case "takeOver":
      return takeOver(record, command, now);
    case "setProjects":
      return setProjects(record, command.projectIds);
    case "shown":
      return shown(record);
    case "mint":
      return command.only === null || command.only === (isPresent(record) ? "present" : "absent")
        ? { status: "ok", next: record }
        : { status: "nothing" };
    case "restore":
      return record ? { status: "nothing" } : { status: "kept", next: command.record };
  }
}

type Of<Kind extends Command["kind"]> = Extract<Command, { kind: Kind }>;

function join(record: MemberRecord | null, { part, memberKey, workstation }: Of<"join">, now: number): Decision {
  if (workstation && isOutrun(record, part)) return { status: "outrun" };
  const others = workstation ? [] : partsOf(record).filter(({ connectionId }) => connectionId !== part.connectionId);
  const parts = [...others, { ...part, order: nextOrder(record) }];
  const joinedAt = isPresent(record) ? record.joinedAt : now;
  const owned = workstation && ownedBy(record, workstation);
  return ok({ memberKey, joinedAt, updatedAt: now, state: { kind: "live", parts }, workstation: owned });
}

function register(record: MemberRecord | null, command: Of<"register">, now: number): Decision {
  const { part, memberKey, workstation } = command;
  const parts = partsOf(record);
  const known = parts.find(({ connectionId }) => connectionId === part.connectionId);
  if (!known && workstation && record?.state.kind === "gone" && record.state.last.connectionId === part.connectionId)
    return { status: "gone" };
  if (!known && workstation && isOutrun(record, part)) return { status: "replaced" };
  const others = workstation ? [] : parts.filter((one) => one !== known);
  const newest = known && known.order >= part.order ? { ...known, incarnation: part.incarnation } : part;
  const joined = [...others, newest].sort((one, other) => one.order - other.order);
  const joinedAt = isPresent(record) ? record.joinedAt : command.joinedAt;
  const isSeen = !record || !known || newest.order > known.order;
  const next: MemberRecord = {
    memberKey,
    joinedAt,
    updatedAt: isSeen ? now : record.updatedAt,
    state: { kind: "live", parts: joined },
    workstation: workstation && ownedBy(record, workstation),
  };
  if (isSeen) return ok(next);
  // Nobody saw that it was away.
  const isSameNode = known.incarnation === part.incarnation;
  const isShown = !workstation || isSame(record.workstation?.projectIds ?? [], workstation.projectIds);
  return isSameNode && isShown ? { status: "kept" } : { status: "kept", next };
}

function update(record: MemberRecord | null, command: Of<"update">, now: number): Decision {
  const { connectionId, incarnation, meta } = command;
  const part = partsOf(record).find((one) => one.connectionId === connectionId);
  if (!record || !part) return { status: absence(record, connectionId) };
  const others = partsOf(record).filter((one) => one !== part);
  const parts = [...others, { ...part, incarnation, meta, order: nextOrder(record) }];
  return ok({ ...record, updatedAt: now, state: { kind: "live", parts } });
}

function leave(record: MemberRecord | null, { connectionId, reason }: Of<"leave">, now: number): Decision {
  const part = connectionOf(record, connectionId);
  if (!record || !part) return { status: absence(record, connectionId) };
  return without(record, part, now) ?? left(record, part, reason, now);
}

function lose(record: MemberRecord | null, { connectionId, keeper, graceMs }: Of<"lose">, now: number): Decision {
  const part = partsOf(record).find((one) => one.connectionId === connectionId);
  if (!record || !part) return { status: "nothing" };
  return without(record, part, now) ?? suspected(record, part, { keeper, graceMs, reason: "timeout" }, now);
}

function expire(record: MemberRecord | null, now: number): Decision {
  if (record?.state.kind !== "suspect") return { status: "nothing" };
  const { last, until, reason } = record.state;
  return until > now ? { status: "early" } : left(record, last, reason, now);
}

function takeOver(record: MemberRecord | null, { dead, keeper, graceMs }: Of<"takeOver">, now: number): Decision {
  if (record?.state.kind === "suspect" && record.state.keeper === dead)
    return { status: "kept", next: { ...record, state: { ...record.state, keeper } } };
  const parts = partsOf(record);
  const living = parts.filter(({ incarnation }) => incarnation !== dead);
  const last = parts.at(-1);
  if (!record || !last || living.length === parts.length) return { status: "nothing" };
  if (living.length > 0) return ok({ ...record, updatedAt: now, state: { kind: "live", parts: living } });
  return suspected(record, last, { keeper, graceMs, reason: "node_lost" }, now);
}

function setProjects(record: MemberRecord | null, projectIds: readonly string[]): Decision {
  if (!record?.workstation || !isPresent(record)) return { status: "nothing" };
  if (isSame(record.workstation.projectIds, projectIds)) return { status: "nothing" };
  const { client } = record.workstation;
  return ok({ ...record, workstation: ownedBy(record, { projectIds, client }) });
}

function shown(record: MemberRecord | null): Decision {
  if (!record?.workstation || isShown(record)) return { status: "nothing" };
  const projectIds = record.state.kind === "gone" ? [] : record.workstation.projectIds;
  return { status: "kept", next: { ...record, workstation: { ...record.workstation, projectIds, stale: [] } } };
}

const ok = (next: MemberRecord): Decision => ({ status: "ok", next });

/** The live connections, the newest meta last. */
export function partsOf(record: MemberRecord | null): readonly Part[] {
  return record?.state.kind === "live" ? record.state.parts : [];
}

/** Live or suspect. */
export function isPresent(record: MemberRecord | null): record is MemberRecord {
  return record !== null && record.state.kind !== "gone";
}

/** Whether no project shows anything else of a workstation. */
export function isShown({ state, workstation }: MemberRecord): boolean {
  return workstation?.stale.length === 0 && (state.kind !== "gone" || workstation.projectIds.length === 0);
}

/** The newest connection; of a member without one the last. */
export function newestOf({ state }: MemberRecord): Part {
  const newest = state.kind === "live" ? state.parts.at(-1) : state.last;
  if (!newest) throw new Error("a live member without a connection");
  return newest;
}

/** Whether the second connection was admitted after the first. */
export function isNewer(first: Ticket, second: Ticket): boolean {
  return first.generation === second.generation ? second.number > first.number : second.generation > first.generation;
}

/** Whether these are the same ids, in whatever order. */
export function isSame(one: readonly string[], other: readonly string[]): boolean {
  return one.length === other.length && one.every((id) => other.includes(id));
}

/** The member as rosters show it. */
export function toMember(key: string, record: MemberRecord): Member {
  const { memberKey, joinedAt, updatedAt, state } = record;
  const connections = partsOf(record).length;
  return {
    key,
    memberKey,
    meta: newestOf(record).meta,
    connections,
    state: state.kind === "live" ? "live" : "suspect",
    joinedAt,
    updatedAt,
  };
}

/** A connection's own part: also the last one of a suspect member, whose node was cut off while others held it dead. */
function connectionOf(record: MemberRecord | null, connectionId: string): Part | undefined {
  if (record?.state.kind === "suspect" && record.state.last.connectionId === connectionId) return record.state.last;
  return partsOf(record).find((part) => part.connectionId === connectionId);
}

/** Why a connection holds nothing. */
function absence(record: MemberRecord | null, connectionId: string): Status {
  const isOthers = record?.workstation && isPresent(record) && newestOf(record).connectionId !== connectionId;
  return isOthers ? "replaced" : "not_joined";
}

function isOutrun(record: MemberRecord | null, { connectionId, ticket }: Joining): boolean {
  if (!ticket) return true;
  const holder = record && newestOf(record);
  if (!holder?.ticket || holder.connectionId === connectionId) return false;
  return isNewer(ticket, holder.ticket);
}

/** The member without this connection; null where no other one is left. */
function without(record: MemberRecord, part: Part, now: number): Decision | null {
  const parts = partsOf(record).filter((one) => one !== part);
  return parts.length > 0 ? ok({ ...record, updatedAt: now, state: { kind: "live", parts } }) : null;
}

function suspected(
  record: MemberRecord,
  last: Part,
  { keeper, graceMs, reason }: { keeper: string; graceMs: number; reason: LeaveReason },
  now: number,
): Decision {
  if (graceMs === 0) return left(record, last, reason, now);
  return ok({ ...record, updatedAt: now, state: { kind: "suspect", last, until: now + graceMs, keeper, reason } });
}

function left(record: MemberRecord, last: Part, reason: LeaveReason, now: number): Decision {
  const next: MemberRecord | null = record.workstation
    ? { ...record, updatedAt: now, state: { kind: "gone", last, reason } }
    : null;
  return { status: "ok", next, left: reason };
}

function ownedBy(record: MemberRecord | null, { projectIds, client }: Owned): WorkstationPart {
  const before = [...(record?.workstation?.projectIds ?? []), ...(record?.workstation?.stale ?? [])];
  const stale = [...new Set(before)].filter((id) => !projectIds.includes(id));
  return { projectIds, stale, client };
}

function nextOrder(record: MemberRecord | null): number {
  return record ? Math.max(0, ...partsOf(record).map(({ order }) => order)) + 1 : 1;
}
