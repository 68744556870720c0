import type { Role, Task, User } from "@monster-realtime/client/protocol";
import { isFirstParty } from "../auth/principal.ts";
import type { Caller } from "./caller.ts";
import type { Scope } from "./sql/scope.ts";

/** The fields that a right covers: all fields of the method, or these. */
export type Cell = "all" | readonly string[];
/**
 * The parties of a grant: roles in the row's organization; a workstation on its own rows; a service within its
 * organizations; `user`: any user; `self`: a user on its own rows. The last two need a first-party token
 * (`isFirstParty`).
 */
export type Party = "member" | "admin" | "owner" | "workstation" | "service" | "user" | "self";
export type Grant = Readonly<Partial<Record<Party, Cell>>>;

/** The owners of a row. */
export interface Place {
  /** Empty for rows outside of organizations, which only services of all organizations manage. */
  organizationId: string;
  projectId: string | null;
  workstationId: string | null;
  /** The user of a row that belongs to a user. */
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

/** The profile fields that users set themselves. The address comes from the issuer that verified it. */
const PROFILE: readonly (keyof User)[] = ["name", "avatarUrl", "displayName", "timezone"];

/** Rows that a workstation maintains about itself, and that admins may correct. */
const ON_SITE: Grant = { ...ADMINS, workstation: "all" };
/** Sessions are written by workstations and services. People can only read them. */
const SESSIONS: Grant = { service: "all", workstation: "all" };

/** The grants by entity and verb. `read` is both `list` and `get`. A party without a grant has no right. */
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
  // `self`: every user may leave, and decline an invitation. `mayManage` limits the rights of admins.
  organizationMemberships: { read: MEMBERS, create: ADMINS, update: ADMINS, delete: { ...ADMINS, self: "all" } },
  // Users see at least themselves. The scope of the statement adds the members of their organizations.
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
  // The view of the query limits the connections.
  connections: { read: ADMINS, kick: ADMINS },
  channels: { read: ADMINS },
  publications: { trace: ADMINS },
  activity: { read: MEMBERS },
  purges: { read: ADMINS },
  feed: { lag: MEMBERS, refused: ADMINS, republish: ADMINS },
} as const satisfies Record<string, Readonly<Record<string, Grant>>>;

const ROLES = ["member", "admin", "owner"] as const satisfies readonly Party[];
const OF_THE_PERSON = ["user", "self"] as const satisfies readonly Party[];

/**
 * Whether the caller may have this right on any row. If false, no row is read, so the error reveals nothing about rows.
 */
export function mayAnywhere(caller: Caller, grant: Grant): boolean {
  if (caller.kind !== "user") return grant[caller.kind] !== undefined;
  const parties = isFirstParty(caller.principal) ? [...ROLES, ...OF_THE_PERSON] : ROLES;
  return parties.some((party) => grant[party] !== undefined);
}

/** Whether the caller has this right on these fields of a row of this place. */
export function may(caller: Caller, grant: Grant, place: Place, fields: readonly string[] = []): boolean {
  if (caller.kind === "user") {
    const isOwn = place.userId === caller.principal.id;
    // A role does not bypass this: an admin's token for another client manages only other users.
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

/**
 * Whether a member with role `own` may create, change or end memberships of these roles: admins up to admin, owners
 * all.
 */
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

/** The rows that a caller can see. All roles read the same rows, so it needs no grant. */
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
