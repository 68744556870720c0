import type { MemberKey, Publication } from "@monster-realtime/client/protocol";

/**
 * A person with a Monster Auth token. `clientIds` null: a first-party audience, which covers every organization of the
 * user.
 */
export interface UserPrincipal {
  kind: "user";
  id: string;
  clientIds: readonly string[] | null;
  /** The canonical address that the token's issuer has verified. Invitations to it are this person's. */
  provenAddress?: string;
}
/** A machine with a registration token. `tokenDigest` is the SHA-256 of the token in hex, as stored in its row. */
export interface WorkstationPrincipal {
  kind: "workstation";
  id: string;
  tokenDigest: string;
}
/** A backend with a token that is configured in the hub. */
export interface ServicePrincipal {
  kind: "service";
  id: string;
  organizations: "*" | readonly string[];
}
export type Principal = UserPrincipal | WorkstationPrincipal | ServicePrincipal;

/** The principal of a verified token, and the token's expiry (milliseconds since 1970; null: it does not expire). */
export interface Credentials {
  principal: Principal;
  expiresAt: number | null;
}

/**
 * Whether the token's client is a first-party client. Only such a token acts on the user itself (profile, memberships,
 * invitations) and on rows outside of organizations. Any other token acts within the organizations it covers. An
 * organization's client could otherwise accept invitations or leave for its user, which acts outside the organization.
 */
export function isFirstParty({ clientIds }: Pick<UserPrincipal, "clientIds">): boolean {
  return clientIds === null;
}

/**
 * `user:<id>`, `workstation:<id>` or `service:<name>`: the scope of idempotency keys and the principal in the audit
 * trail.
 */
export function principalKey(principal: Principal): string {
  return `${principal.kind}:${principal.id}`;
}

/** The `from` field of this principal's publications. */
export function publisherOf(principal: Principal): Publication["from"] {
  switch (principal.kind) {
    case "user":
      return { userId: principal.id };
    case "workstation":
      return { workstationId: principal.id };
    case "service":
      return { service: principal.id };
  }
}

/** The member key this principal joins presence with; null for services, which are never present. */
export function memberKeyOf(principal: Principal): MemberKey | null {
  switch (principal.kind) {
    case "user":
      return { userId: principal.id };
    case "workstation":
      return { workstationId: principal.id };
    case "service":
      return null;
  }
}
