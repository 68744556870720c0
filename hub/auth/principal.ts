import type { MemberKey, Publication } from "@monster-realtime/client/protocol";

/** A person, by a Monster Auth token. `clientIds` null: a first-party audience, which opens every organization of the user. */
export interface UserPrincipal {
  kind: "user";
  id: string;
  clientIds: readonly string[] | null;
  /** The address that the token's issuer vouches for, canonical. Invitations to it are this person's. */
  provenAddress?: string;
}
/** A machine, by its registration token; `tokenDigest` is the SHA-256 in hex that its row holds. */
export interface WorkstationPrincipal {
  kind: "workstation";
  id: string;
  tokenDigest: string;
}
/** A backend, by a token configured at the hub. */
export interface ServicePrincipal {
  kind: "service";
  id: string;
  organizations: "*" | readonly string[];
}
export type Principal = UserPrincipal | WorkstationPrincipal | ServicePrincipal;

/** The name by which the hub itself is a service, in the audit trail and in publications: no token opens it. */
export const HUB_SERVICE = "hub";

/** Who a verified token speaks for, and until when (milliseconds since 1970, null: for ever). */
export interface Credentials {
  principal: Principal;
  expiresAt: number | null;
}

/**
 * Whether the token's client is a first-party one. Such a token alone acts on its own person (profile, memberships,
 * invitations) and on what belongs to no organization; any other acts within the organizations that it opens.
 */
export function isFirstParty({ clientIds }: Pick<UserPrincipal, "clientIds">): boolean {
  return clientIds === null;
}

/** `user:<id>`, `workstation:<id>` or `service:<name>`: the scope of idempotency keys and the audit trail's name for it. */
export function principalKey(principal: Principal): string {
  return `${principal.kind}:${principal.id}`;
}

/** What a publication of this principal carries as `from`. */
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
