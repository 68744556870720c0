import type { ConnectionView } from "../connections/live-connections.ts";
import type { Caller } from "./caller.ts";
import { refuseUnless } from "./crud.ts";
import { type Grant, may } from "./rights.ts";

/**
 * The connections that a caller may see. Throws `forbidden` if the caller lacks the grant everywhere, or in this
 * organization.
 */
export function viewOf(caller: Caller, grant: Grant, organizationId?: string): ConnectionView {
  if (caller.kind === "service") {
    const { organizations } = caller.principal;
    return organizations === "*" ? { kind: "all" } : { kind: "organizations", ids: organizations };
  }
  const roles = caller.kind === "user" ? [...caller.roles.keys()] : [];
  const place = { projectId: null, workstationId: null };
  const ids = roles.filter((id) => may(caller, grant, { ...place, organizationId: id }));
  const member = organizationId !== undefined && roles.includes(organizationId) && !ids.includes(organizationId);
  refuseUnless(ids.length > 0 && !member);
  return { kind: "organizations", ids };
}
