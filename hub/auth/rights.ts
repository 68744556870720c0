import type { ChannelKind, ParsedChannel, Role } from "@monster-realtime/client/protocol";
import { HubError } from "../kernel/errors.ts";
import { activeWorkstation } from "./account.ts";
import type { FactsByKind, Membership, ProjectFacts, TaskFacts, UserFacts, WorkstationFacts } from "./facts.ts";
import type { Principal, ServicePrincipal, UserPrincipal } from "./principal.ts";

/** The rights of a principal on a channel. If all are false, calls fail with `forbidden`. */
export interface ChannelRights {
  readonly subscribe: boolean;
  readonly publish: boolean;
  /** Publishing the types that are reserved for the hub and for services. */
  readonly publishReserved: boolean;
  /** Joining the channel's presence. */
  readonly join: boolean;
}

/** The relation of a principal to the row of a channel. */
export type Relation = "self" | "attached" | "member" | "service" | "none";

export const NONE: ChannelRights = { subscribe: false, publish: false, publishReserved: false, join: false };
const LISTEN: ChannelRights = { ...NONE, subscribe: true };
const SPEAK: ChannelRights = { ...LISTEN, publish: true };
const TAKE_PART: ChannelRights = { ...SPEAK, join: true };
/** Services are never present, so that no roster shows them. */
const SERVE: ChannelRights = { ...SPEAK, publishReserved: true };

/** PROTOCOL.md's table of channels. A relation that is not listed for a channel kind has no rights. */
const CHANNEL_RIGHTS = {
  workstation: { self: TAKE_PART, member: SPEAK, service: SERVE },
  projectWorkstations: { attached: SPEAK, member: SPEAK, service: SERVE },
  task: { attached: TAKE_PART, member: TAKE_PART, service: SERVE },
  projectTasks: { attached: LISTEN, member: LISTEN, service: SERVE },
} as const satisfies Record<ChannelKind, Partial<Record<Relation, ChannelRights>>>;

/** The kind of row that decides a channel's rights. */
export const CHANNEL_ROWS = {
  workstation: "workstation",
  projectWorkstations: "project",
  task: "task",
  projectTasks: "project",
} as const satisfies Record<ChannelKind, keyof FactsByKind>;

export type ChannelFacts = WorkstationFacts | ProjectFacts | TaskFacts;
/** The facts about the principal itself. Services are configured and have none. */
export type PrincipalFacts = WorkstationFacts | UserFacts;

/**
 * The rights of `principal` on `channel`. Pure: `principalFacts` and `channelFacts` are the current rows, or null if
 * missing. Missing, suspended, archived and deleted rows, and rows of other tenants, give no rights.
 */
export function channelRights(
  principal: Principal,
  principalFacts: PrincipalFacts | null,
  channel: ParsedChannel,
  channelFacts: ChannelFacts | null,
): ChannelRights {
  const relation = relationTo(principal, principalFacts, channel, channelFacts);
  const row: Partial<Record<Relation, ChannelRights>> = CHANNEL_RIGHTS[channel.kind];
  return row[relation] ?? NONE;
}

/** The relation of `principal` to the row of `channel`. `none` also if either of them gives no rights. */
function relationTo(
  principal: Principal,
  principalFacts: PrincipalFacts | null,
  channel: ParsedChannel,
  channelFacts: ChannelFacts | null,
): Relation {
  if (!channelFacts || !givesRights(channelFacts) || accountRefusal(principal, principalFacts)) return "none";
  const { organizationId } = channelFacts;
  if (principal.kind === "service") return serves(principal, organizationId) ? "service" : "none";
  if (principal.kind === "user") {
    const member = isUser(principalFacts) && membershipsOf(principal, principalFacts).some(within(organizationId));
    return member ? "member" : "none";
  }
  if (!isWorkstation(principalFacts) || principalFacts.organizationId !== organizationId) return "none";
  if (channel.kind === "workstation") return channel.id === principal.id ? "self" : "none";
  return principalFacts.projectIds.includes(projectOf(channel, channelFacts)) ? "attached" : "none";
}

/**
 * The error for a principal that may not connect, or null. Causes: its row is gone, its token replaced, or it is
 * suspended.
 */
export function accountRefusal(principal: Principal, facts: PrincipalFacts | null): HubError | null {
  switch (principal.kind) {
    case "service":
      return null;
    case "user":
      return isUser(facts) ? null : new HubError("unauthenticated", "This user no longer exists. Sign in again.");
    case "workstation":
      return errorOf(activeWorkstation(principal.tokenDigest, isWorkstation(facts) ? facts : null));
  }
}

/** The user's memberships that the token covers: all, or those of the clients that the token is for. */
export function membershipsOf({ clientIds }: UserPrincipal, { memberships }: UserFacts): readonly Membership[] {
  if (clientIds === null) return memberships;
  return memberships.filter(({ clientId }) => clientId !== null && clientIds.includes(clientId));
}

/** The organizations of a principal. Empty for a service of all organizations, because their number is unbounded. */
export function organizationIdsOf(principal: Principal, facts: PrincipalFacts | null): string[] {
  if (principal.kind === "service") return principal.organizations === "*" ? [] : [...principal.organizations];
  if (principal.kind === "workstation") return isWorkstation(facts) ? [facts.organizationId] : [];
  return [...rolesOf(principal, facts).keys()];
}

/** Organization → role of a user. Empty for other principals, whose rights don't depend on roles. */
export function rolesOf(principal: Principal, facts: PrincipalFacts | null): ReadonlyMap<string, Role> {
  if (principal.kind !== "user" || !isUser(facts)) return new Map();
  return new Map(membershipsOf(principal, facts).map(({ organizationId, role }) => [organizationId, role]));
}

function errorOf(judged: WorkstationFacts | HubError): HubError | null {
  return judged instanceof HubError ? judged : null;
}

function givesRights(facts: ChannelFacts): boolean {
  return isWorkstation(facts) ? facts.accountStatus === "active" : facts.active;
}

function serves({ organizations }: ServicePrincipal, organizationId: string): boolean {
  return organizations === "*" || organizations.includes(organizationId);
}

function within(organizationId: string): (membership: Membership) => boolean {
  return (membership) => membership.organizationId === organizationId;
}

function projectOf(channel: ParsedChannel, facts: ChannelFacts): string {
  return "projectId" in facts ? facts.projectId : channel.id;
}

function isWorkstation(facts: ChannelFacts | PrincipalFacts | null): facts is WorkstationFacts {
  return facts !== null && "accountStatus" in facts;
}

function isUser(facts: PrincipalFacts | null): facts is UserFacts {
  return facts !== null && "memberships" in facts;
}
