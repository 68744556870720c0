import type { Role, Task, User } from "@monster-realtime/client/protocol";
import { isFirstParty } from "../auth/principal.ts";
import type { Caller } from "./caller.ts";
import type { Scope } from "./sql/scope.ts";

/** The fields a right extends to: all that the method takes, or these. */
export type Cell = "all" | readonly string[];
/**
 * Who may: by role in the row's organization; a workstation on its own rows; a service within its organizations; `user`, any
 * user; `self`, a user on the rows of himself. The last two need a first-party token (`isFirstParty`).
 */
export type Party = "member" | "admin" | "owner" | "workstation" | "service" | "user" | "self";
export type Grant = Readonly<Partial<Record<Party, Cell>>>;

/** Where a row belongs. */
export interface Place {
  /** Empty for what belongs to none, and so to the services of every organization. */
  organizationId: string;
  projectId: string | null;
  workstationId: string | null;
  /** Whose row it is, where it is a person's. */
  userId?: string | null;
}

const OWNERS: Grant = { owner: "all", service: "all" };
const ADMINS: Grant = { ...OWNERS, admin: "all" };
const MEMBERS: Grant = { ...ADMINS, member: "all" };
/** Workstations read what the scope of the statement shows them. */
const READERS: Grant = { ...MEMBERS, workstation: "all" };

const WORKED_OUT: readonly (keyof Task)[] = [
  "refinedTitle",
  "refinedDescription",
  "planSolution",
  "planSpec",
  "planSteps",
  "reviewInstructions",
  "reviewFeedback",
  "reviewAttachments",
  "list",
  "mode",
];

/** What a person says of himself; the address comes from who vouches for it. */
const PROFILE: readonly (keyof User)[] = ["name", "avatarUrl", "displayName", "timezone"];

/** What a workstation keeps of itself, and admins may put right. */
const ON_SITE: Grant = { ...ADMINS, workstation: "all" };
/** What agents do is theirs to tell; people read it. */
const SESSIONS: Grant = { service: "all", workstation: "all" };

/** Who may do what, by entity and verb; `read` is both `list` and `get`. What is missing nobody may. */
export const RIGHTS = {
  organizations: {
    read: MEMBERS,
    create: { user: "all" },
    update: OWNERS,
    delete: OWNERS,
    restore: OWNERS,
    invite: ADMINS,
    invitations: { user: "all" },
    acceptInvite: { user: "all" },
    declineInvite: { user: "all" },
    suspendMember: ADMINS,
    restoreMember: ADMINS,
  },
  // Anybody leaves, and declines an invitation. How far an admin's right goes, `mayManage` says.
  organizationMemberships: { read: MEMBERS, create: ADMINS, update: ADMINS, delete: { ...ADMINS, self: "all" } },
  // Users see themselves at least; the scope of the statement adds the members of their organizations.
  users: {
    read: { ...MEMBERS, user: "all" },
    create: { service: "all" },
    update: { self: PROFILE, service: "all" },
    delete: { service: "all" },
  },
  projects: {
    read: READERS,
    create: ADMINS,
    update: { ...ADMINS, member: ["memory"] },
    delete: ADMINS,
    undelete: ADMINS,
    archive: ADMINS,
    restore: ADMINS,
    attachWorkstation: ADMINS,
    detachWorkstation: ADMINS,
    updateMemory: MEMBERS,
  },
  workstations: {
    read: READERS,
    create: ADMINS,
    update: ADMINS,
    delete: ADMINS,
    register: ADMINS,
    rotateToken: ADMINS,
    suspend: ADMINS,
    resume: ADMINS,
    assignments: READERS,
    transitions: MEMBERS,
  },
  agents: {
    read: READERS,
    create: ON_SITE,
    update: ON_SITE,
    delete: ON_SITE,
    report: { workstation: "all" },
    available: READERS,
  },
  projectWorkstations: { read: READERS, create: ADMINS, update: ADMINS, delete: ADMINS },
  projectRepositories: { read: READERS, create: ADMINS, update: ADMINS, delete: ADMINS },
  workstationRepositories: {
    read: READERS,
    create: ON_SITE,
    update: ON_SITE,
    delete: ON_SITE,
    report: { workstation: "all" },
  },
  gitWorktrees: {
    read: READERS,
    create: ON_SITE,
    update: ON_SITE,
    delete: ON_SITE,
    acquire: ON_SITE,
    release: ON_SITE,
    stale: READERS,
  },
  workflowTemplates: { read: READERS, create: ADMINS, update: ADMINS, delete: ADMINS },
  actors: { read: READERS, create: ADMINS, update: ADMINS, delete: ADMINS },
  tasks: {
    read: READERS,
    create: MEMBERS,
    update: { ...MEMBERS, workstation: WORKED_OUT },
    delete: MEMBERS,
    move: { ...MEMBERS, workstation: ["id", "list", "afterId", "beforeId"] },
    setReady: MEMBERS,
    assignable: READERS,
    assign: MEMBERS,
    cancel: MEMBERS,
    review: MEMBERS,
  },
  taskDependencies: { read: READERS, create: MEMBERS, update: MEMBERS, delete: MEMBERS, resolve: MEMBERS },
  taskAgents: { read: READERS, create: MEMBERS, update: MEMBERS, delete: MEMBERS },
  taskAttachments: { read: READERS, create: MEMBERS, update: MEMBERS, delete: MEMBERS },
  agentSessions: {
    read: READERS,
    create: SESSIONS,
    update: SESSIONS,
    delete: SESSIONS,
    start: SESSIONS,
    progress: SESSIONS,
    finish: SESSIONS,
    refuse: SESSIONS,
  },
  audit: { read: MEMBERS },
  // Which ones, the view says that they are asked for with.
  connections: { read: ADMINS, kick: ADMINS },
  channels: { read: ADMINS },
  publications: { trace: ADMINS },
  activity: { read: MEMBERS },
  purges: { read: ADMINS },
  feed: { lag: MEMBERS, refused: ADMINS, republish: ADMINS },
} as const satisfies Record<string, Readonly<Record<string, Grant>>>;

const ROLES = ["member", "admin", "owner"] as const satisfies readonly Party[];
const OF_THE_PERSON = ["user", "self"] as const satisfies readonly Party[];

/** Whether such a caller may anywhere: false needs no look at any row, and so tells of none. */
export function mayAnywhere(caller: Caller, grant: Grant): boolean {
  if (caller.kind !== "user") return grant[caller.kind] !== undefined;
  const parties = isFirstParty(caller.principal) ? [...ROLES, ...OF_THE_PERSON] : ROLES;
  return parties.some((party) => grant[party] !== undefined);
}

/** Whether the caller may do this to a row of this place, changing these fields. */
export function may(caller: Caller, grant: Grant, place: Place, fields: readonly string[] = []): boolean {
  if (caller.kind === "user") {
    const isOwn = place.userId === caller.principal.id;
    // A role is no way around it: an admin's token for another client manages the others.
    if (!isFirstParty(caller.principal) && isOwn) return false;
    if (isFirstParty(caller.principal) && (grant.user || (isOwn && covers(grant.self, fields)))) return true;
  }
  const party = partyIn(caller, place);
  return party !== null && covers(grant[party], fields);
}

function covers(cell: Cell | undefined, fields: readonly string[]): boolean {
  return cell === "all" || (cell !== undefined && fields.every((field) => cell.includes(field)));
}

const RANK: Readonly<Record<Role, number>> = { member: 0, admin: 1, owner: 2 };

/** Whether somebody of role `own` may make, change or end memberships of these roles: admins up to admin, owners all. */
export function mayManage(own: Role | null, roles: readonly Role[]): boolean {
  return own !== null && own !== "member" && roles.every((role) => RANK[role] <= RANK[own]);
}

function partyIn(caller: Caller, { organizationId, workstationId }: Place): Party | null {
  switch (caller.kind) {
    case "user":
      return caller.roles.get(organizationId) ?? null;
    case "workstation":
      return workstationId === caller.principal.id ? "workstation" : null;
    case "service": {
      const { organizations } = caller.principal;
      return organizations === "*" || organizations.includes(organizationId) ? "service" : null;
    }
  }
}

/** The rows a caller sees at all. Every role reads alike, so that it needs no grant. */
export function readScope(caller: Caller): Scope {
  switch (caller.kind) {
    case "user":
      return { kind: "organizations", ids: [...caller.roles.keys()], user: caller.principal };
    case "workstation":
      return { kind: "workstation", id: caller.principal.id };
    case "service": {
      const { organizations } = caller.principal;
      return organizations === "*" ? { kind: "all" } : { kind: "organizations", ids: organizations };
    }
  }
}
