import { principalKey } from "../auth/principal.ts";
import type { Share } from "../store/postgres.ts";
import type { Caller } from "./caller.ts";

/**
 * Who a call's database work is charged to: the organization in `params.organizationId` if the caller belongs to it, or else
 * the first of the caller's organizations by id. A caller without a list of organizations is charged like an organization by
 * itself. No caller can charge work to a foreign organization, and none gets a further share by belonging to several.
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

/** The same in every call: the order in which they are known may change. */
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
