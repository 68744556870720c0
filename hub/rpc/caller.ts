import type { Role } from "@monster-realtime/client/protocol";
import { activeWorkstation } from "../auth/account.ts";
import type { WorkstationFacts } from "../auth/facts.ts";
import type { Principal, ServicePrincipal, UserPrincipal, WorkstationPrincipal } from "../auth/principal.ts";
import { HubError } from "../kernel/errors.ts";

/** The source of a caller's rights, such as the hub's `Authorizer`. */
export interface RightsSource {
  roles(principal: Principal): Promise<ReadonlyMap<string, Role>>;
  workstation(id: string): Promise<WorkstationFacts | null>;
}

/** A principal with the facts that decide its rights. */
export type Caller =
  | { readonly kind: "user"; readonly principal: UserPrincipal; readonly roles: ReadonlyMap<string, Role> }
  | {
      readonly kind: "workstation";
      readonly principal: WorkstationPrincipal;
      readonly organizationId: string;
      /** The projects it is attached to. */
      readonly projectIds: readonly string[];
    }
  | { readonly kind: "service"; readonly principal: ServicePrincipal };

/**
 * Loads the caller's facts. Throws `unauthenticated` or `suspended` for a workstation that may no longer call, and
 * `unavailable` if the facts can't be loaded.
 */
export async function callerOf(principal: Principal, source: RightsSource): Promise<Caller> {
  switch (principal.kind) {
    case "service":
      return { kind: "service", principal };
    case "user":
      return { kind: "user", principal, roles: await source.roles(principal) };
    case "workstation": {
      const facts = activeWorkstation(principal.tokenDigest, await source.workstation(principal.id));
      if (facts instanceof HubError) throw facts;
      return { kind: "workstation", principal, organizationId: facts.organizationId, projectIds: facts.projectIds };
    }
  }
}
