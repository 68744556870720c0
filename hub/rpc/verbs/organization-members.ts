import type { OrganizationMembership, RpcParams } from "@monster-realtime/client/protocol";
import { z } from "zod";
import { canonicalEmail } from "../../email-address.ts";
import { HubError } from "../../errors.ts";
import { lock, notFound, read, shown } from "../crud.ts";
import {
  memberTouched,
  organizationMemberships,
  ROLES,
  refuseUnmanaged,
} from "../entities/organization-memberships.ts";
import { organizations } from "../entities/organizations.ts";
import * as field from "../fields.ts";
import { defineProcedure, type Procedure, type WriteContext } from "../procedure.ts";
import { RIGHTS } from "../rights.ts";
import {
  activate,
  invitationOf,
  invite,
  isMembersAddress,
  lockAddress,
  membershipOf,
  renewInvitation,
  standingOf,
} from "../sql/members.ts";

/**
 * An invitation goes to an address, never to the user who is said to have it: stored addresses are not proven, and no
 * answer, by its shape, code or ids, tells whether the address is known. Only that a member of the organization itself
 * has it is told, by `conflict`: its members are listed anyway.
 */
const inviteMember = defineProcedure<RpcParams<"organizations.invite">>({
  method: "organizations.invite",
  kind: "write",
  input: field.paramsOf<"organizations.invite">()(
    z.strictObject({
      organizationId: field.id("org"),
      email: field.email,
      ...field.optional({ role: field.oneOf<(typeof ROLES)[number]>(ROLES) }),
    }),
  ),
  rights: RIGHTS.organizations.invite,
  async handler(context, { organizationId, email: given, role }) {
    const { sql, caller } = context;
    const place = await lock(organizations, RIGHTS.organizations.invite, context, { id: organizationId });
    const email = canonicalEmail(given);
    await lockAddress(sql, email);
    const standing = await invitationOf(sql, organizationId, email);
    const former = standing?.role ?? "member";
    const invitation = {
      organizationId,
      email,
      role: role ?? former,
      invitedBy: caller.kind === "user" ? caller.principal.id : null,
    };
    await refuseUnmanaged(context, place, [former, invitation.role]);
    if (!standing && (await isMembersAddress(sql, organizationId, email))) throw membersAddress();
    const id = standing?.id ?? (await invite(sql, invitation));
    if (standing) await renewInvitation(sql, id, invitation);
    return { result: await told(context, id), place };
  },
});

const acceptInvite = defineProcedure<RpcParams<"organizations.acceptInvite">>({
  method: "organizations.acceptInvite",
  kind: "write",
  input: field.paramsOf<"organizations.acceptInvite">()(z.strictObject({ organizationId: field.id("org") })),
  rights: RIGHTS.organizations.acceptInvite,
  async handler(context, { organizationId }) {
    const { sql, caller } = context;
    const id = await membershipOf(sql, organizationId, caller.principal.id);
    if (id === null) throw notFound("invitation");
    const place = await lock(
      { ...organizationMemberships, noun: "invitation" },
      RIGHTS.organizations.acceptInvite,
      context,
      { id },
    );
    const standing = await standingOf(sql, id);
    if (standing?.status === "suspended")
      throw new HubError("suspended", "You are suspended in this organization. Ask an admin of it.");
    const invited = standing?.status === "invited";
    if (invited) await activate(sql, id);
    return { result: await told(context, id), place, touched: invited ? memberTouched(place) : [] };
  },
});

const suspendMember = changingStatus("suspendMember", "suspended");
const restoreMember = changingStatus("restoreMember", "active");

export const organizationMembers = { procedures: [inviteMember, acceptInvite, suspendMember, restoreMember] };

/** Both verbs take and answer the same. */
function changingStatus(verb: "suspendMember" | "restoreMember", status: "active" | "suspended"): Procedure {
  const rights = RIGHTS.organizations[verb];
  return defineProcedure<RpcParams<"organizations.suspendMember">>({
    method: `organizations.${verb}`,
    kind: "write",
    input: field.paramsOf<"organizations.suspendMember">()(z.strictObject({ membershipId: field.id("orgmem") })),
    rights,
    async handler(context, { membershipId: id }) {
      const place = await lock(organizationMemberships, rights, context, { id });
      await organizationMemberships.guard?.(context, { id, place }, { status });
      await organizationMemberships.rows.update(context.sql, id, new Map([["status", status]]));
      return { result: await told(context, id), place, touched: memberTouched(place) };
    },
  });
}

function membersAddress(): HubError {
  const message = "is the address of a member. Change the membership, or restore it, instead";
  return new HubError("conflict", `email: ${message}`, { details: [{ path: "email", message }] });
}

async function told({ sql, caller }: WriteContext, id: string): Promise<OrganizationMembership> {
  return shown(organizationMemberships, caller, await read(organizationMemberships.rows, sql, id));
}
