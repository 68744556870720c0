import type { Role } from "@monster-realtime/client/protocol";

/** What rights are decided from. A row that does not exist has no facts; deciding itself is pure (`rights.ts`). */
export interface WorkstationFacts {
  organizationId: string;
  /** `gone`: deleted, or its organization is. */
  standing: "active" | "suspended" | "gone";
  /** SHA-256 of its registration token in hex; another than a connection's: that connection's token was rotated away. */
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

/** What a Monster Auth token says of a person, checked already. */
export interface UserClaims {
  subject: string;
  email: string | null;
  /** The issuer vouches that the address is this person's: invitations to it are theirs. */
  emailVerified: boolean;
  name: string | null;
}

/**
 * Where facts come from: Postgres (`store/facts.ts`). Every call is one statement for all its ids, and answers in the
 * same time for rows that don't exist, which its answer leaves out. Throws `unavailable` while the database is away.
 */
export interface FactSource {
  load<Kind extends FactKind>(kind: Kind, ids: readonly string[]): Promise<Map<string, FactsByKind[Kind]>>;
  /** Token digest → id of the workstation whose row holds it; suspended ones too, deleted ones not. */
  workstationsByToken(tokenDigests: readonly string[]): Promise<Map<string, string>>;
  /** Subject → id of the user who has it, made at first sight. Every subject is in the answer. */
  ensureUsers(claims: readonly UserClaims[]): Promise<Map<string, string>>;
  /** Those of these addresses, in lower case, that were invited to something that is not given to anybody yet. */
  invitedAmong(emails: readonly string[]): Promise<Set<string>>;
  /**
   * What this person's address, which must be verified, was invited to is his from then on. One person at a time, because it
   * may have to wait for others' changes. Throws `unavailable` where that takes long or fails: nothing was changed then.
   */
  giveInvitations(claims: UserClaims): Promise<void>;
}
