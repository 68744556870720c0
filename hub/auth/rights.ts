import type { ChannelKind, ParsedChannel, Role } from "@monster-realtime/client/protocol";
import { HubError } from "../errors.ts";
import type { FactsByKind, Membership, ProjectFacts, TaskFacts, UserFacts, WorkstationFacts } from "./facts.ts";
import type { Principal, ServicePrincipal, UserPrincipal } from "./principal.ts";

/** What a principal may do on a channel; all false: `forbidden`. */
export interface ChannelRights {
  readonly subscribe: boolean;
  readonly publish: boolean;
  /** Publishing the types that are reserved for the hub and for services. */
  readonly publishReserved: boolean;
  /** Joining the channel's presence. */
  readonly join: boolean;
}

/** How a principal stands to the row of a channel. */
export type Relation = "self" | "attached" | "member" | "service" | "none";

export const NONE: ChannelRights = { subscribe: false, publish: false, publishReserved: false, join: false };
const LISTEN: ChannelRights = { ...NONE, subscribe: true };
const SPEAK: ChannelRights = { ...LISTEN, publish: true };
const TAKE_PART: ChannelRights = { ...SPEAK, join: true };
/** Services are never present, so that no roster shows them. */
const SERVE: ChannelRights = { ...SPEAK, publishReserved: true };

/** PROTOCOL.md's table of channels. What a relation is not listed for it has no right to. */
export const CHANNEL_RIGHTS = {
  workstation: { self: TAKE_PART, member: SPEAK, service: SERVE },
  projectWorkstations: { attached: SPEAK, member: SPEAK, service: SERVE },
  task: { attached: TAKE_PART, member: TAKE_PART, service: SERVE },
  projectTasks: { attached: LISTEN, member: LISTEN, service: SERVE },
} as const satisfies Record<ChannelKind, Partial<Record<Relation, ChannelRights>>>;

/** Which row a channel's rights are decided from. */
export const CHANNEL_ROWS = {
  workstation: "workstation",
  projectWorkstations: "project",
  task: "task",
  projectTasks: "project",
} as const satisfies Record<ChannelKind, keyof FactsByKind>;

export type ChannelFacts = WorkstationFacts | ProjectFacts | TaskFacts;
/** What is known of the principal itself; services are configured and have none. */
export type PrincipalFacts = WorkstationFacts | UserFacts;

/**
 * What `principal` may do on `channel`. Pure: `principalFacts` and `channelFacts` are the rows as they are now, null where
 * there are none, which gives no rights, like everything suspended, archived, deleted or foreign.
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

/** How `principal` stands to the row of `channel`; `none` also where either gives no rights at all. */
export function relationTo(
  principal: Principal,
  principalFacts: PrincipalFacts | null,
  channel: ParsedChannel,
  channelFacts: ChannelFacts | null,
): Relation {
  if (!channelFacts || !givesRights(channelFacts) || standing(principal, principalFacts)) return "none";
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

/** Why this principal may not be connected, or null: its row is gone, its token replaced, or it is suspended. */
export function standing(principal: Principal, facts: PrincipalFacts | null): HubError | null {
  switch (principal.kind) {
    case "service":
      return null;
    case "user":
      return isUser(facts) ? null : new HubError("unauthenticated", "This user no longer exists. Sign in again.");
    case "workstation":
      return workstationStanding(principal.tokenDigest, isWorkstation(facts) ? facts : null);
  }
}

/** The user's memberships that its token opens: all of them, or those of the clients that the token is for. */
export function membershipsOf({ clientIds }: UserPrincipal, { memberships }: UserFacts): readonly Membership[] {
  if (clientIds === null) return memberships;
  return memberships.filter(({ clientId }) => clientId !== null && clientIds.includes(clientId));
}

/** The organizations a principal belongs to; none for a service of all organizations, whose list would be endless. */
export function organizationIdsOf(principal: Principal, facts: PrincipalFacts | null): string[] {
  if (principal.kind === "service") return principal.organizations === "*" ? [] : [...principal.organizations];
  if (principal.kind === "workstation") return isWorkstation(facts) ? [facts.organizationId] : [];
  return [...rolesOf(principal, facts).keys()];
}

/** Organization → role of a user; empty for others, whose rights don't come from roles. */
export function rolesOf(principal: Principal, facts: PrincipalFacts | null): ReadonlyMap<string, Role> {
  if (principal.kind !== "user" || !isUser(facts)) return new Map();
  return new Map(membershipsOf(principal, facts).map(({ organizationId, role }) => [organizationId, role]));
}

function workstationStanding(tokenDigest: string, facts: WorkstationFacts | null): HubError | null {
  if (!facts || facts.standing === "gone") {
    return new HubError("unauthenticated", "This workstation no longer exists. Register it again.");
  }
  if (facts.tokenDigest !== tokenDigest) {
    return new HubError("unauthenticated", "This registration token was replaced. Use the workstation's new one.");
  }
  if (facts.standing === "active") return null;
  return new HubError("suspended", "This workstation is suspended. Ask an admin of its organization.");
}

function givesRights(facts: ChannelFacts): boolean {
  return isWorkstation(facts) ? facts.standing === "active" : facts.active;
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
  return facts !== null && "standing" in facts;
}

function isUser(facts: PrincipalFacts | null): facts is UserFacts {
  return facts !== null && "memberships" in facts;
}
