import { principalKey } from "../../auth/principal.ts";
import type { Share } from "../../store/database.ts";
import type { Caller } from "../caller.ts";

/**
 * The share to which a call's database work is charged: the organization in `params.organizationId` if the caller
 * belongs to it, or else the first of the caller's organizations by id. A caller without a list of organizations counts
 * as an organization by itself. No caller can charge work to another tenant's organization, and membership in several
 * organizations gives no extra share.
 *
 * Two limits remain. A call without `organizationId` competes with the first organization's work, even if its row
 * belongs to another: the row's organization is unknown before the query. Turns in the queue grow with a user's
 * organizations; connections do not.
 */
export function shareOf(caller: Caller, params: unknown): Share {
  const principal = principalKey(caller.principal);
  const organizations = organizationsOf(caller);
  const named = organizationNamed(params);
  if (named !== undefined && (organizations === "*" || organizations.includes(named))) {
    return { organization: named, principal };
  }
  return { organization: organizations === "*" ? principal : (firstOf(organizations) ?? principal), principal };
}

/** The smallest id, so that every call has the same result: the order of the ids may change. */
function firstOf(organizations: readonly string[]): string | undefined {
  return organizations.reduce<string | undefined>(
    (first, one) => (first === undefined || one < first ? one : first),
    undefined,
  );
}

function organizationsOf(caller: Caller): "*" | readonly string[] {
  switch (caller.kind) {
    case "user":
      return [...caller.roles.keys()];
    case "workstation":
      return [caller.organizationId];
    case "service":
      return caller.principal.organizations;
  }
}

function organizationNamed(params: unknown): string | undefined {
  if (typeof params !== "object" || params === null || !("organizationId" in params)) return undefined;
  return typeof params.organizationId === "string" ? params.organizationId : undefined;
}
