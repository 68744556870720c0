import type { Role } from "@monster-realtime/client/protocol";

/**
 * The facts about rows that authorization uses. A missing row has no facts. The decision itself is pure (`rights.ts`).
 */
export interface WorkstationFacts {
  organizationId: string;
  /** `gone`: the workstation or its organization is deleted. */
  accountStatus: "active" | "suspended" | "gone";
  /** SHA-256 of its registration token in hex. If it differs from a connection's digest, the token was rotated. */
  tokenDigest: string | null;
  /** Attached projects that are active. */
  projectIds: readonly string[];
}
export interface ProjectFacts {
  organizationId: string;
  /** Neither archived nor suspended, and its organization not deleted. */
  active: boolean;
}
export interface TaskFacts extends ProjectFacts {
  projectId: string;
}
export interface Membership {
  organizationId: string;
  role: Role;
  /** The organization's `monster_auth_client_id`, which a token's audience may name. */
  clientId: string | null;
}
export interface UserFacts {
  /** Active memberships of organizations that are not deleted. */
  memberships: readonly Membership[];
}

export interface FactsByKind {
  workstation: WorkstationFacts;
  project: ProjectFacts;
  task: TaskFacts;
  user: UserFacts;
}
export type FactKind = keyof FactsByKind;

/** The verified claims of a Monster Auth token about a person. */
export interface UserClaims {
  subject: string;
  email: string | null;
  /** The issuer has verified that this person owns the address, so invitations to the address are this person's. */
  emailVerified: boolean;
  name: string | null;
}

/**
 * The source of facts: Postgres (`store/facts.ts`). Every call is one statement for all its ids. The result omits
 * missing rows, which take as long as existing ones. Throws `unavailable` while the database is unavailable.
 */
export interface FactSource {
  load<Kind extends FactKind>(kind: Kind, ids: readonly string[]): Promise<Map<string, FactsByKind[Kind]>>;
  /** Token digest → id of the workstation with this digest. Includes suspended workstations, excludes deleted ones. */
  workstationsByToken(tokenDigests: readonly string[]): Promise<Map<string, string>>;
  /** Subject → id of the user. Inserts a row for each new subject. The result contains every subject. */
  ensureUsers(claims: readonly UserClaims[]): Promise<Map<string, string>>;
  /** Those of these addresses, in lower case, that have an invitation not yet linked to a user. */
  invitedAmong(emails: readonly string[]): Promise<Set<string>>;
  /**
   * Links the invitations of this person's verified address to the person's user. One person per call, because it may
   * wait for concurrent changes. Throws `unavailable` if it fails or takes too long; then nothing has changed.
   */
  giveInvitations(claims: UserClaims): Promise<void>;
}

/** A row changed by a committed RPC on which rights or presence depend. */
export interface Touched {
  entity: "organization" | "user" | "workstation" | "project" | "task";
  id: string;
}
