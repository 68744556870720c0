import type { OrganizationMembership, RpcParams } from "@monster-realtime/client/protocol";
import { z } from "zod";
import { canonicalEmail } from "../../kernel/email-address.ts";
import { HubError } from "../../kernel/errors.ts";
import { lock, read, shown } from "../crud.ts";
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
  hasOpenInvitations,
  invitationOf,
  invite,
  isMembersAddress,
  lockAddress,
  renewInvitation,
} from "../sql/members.ts";

/** Maximum open invitations of an organization: more than any needs, and few enough to read as one list. */
const MAX_OPEN_INVITATIONS = 10_000;

/**
 * An invitation goes to an address, never to the user whose row has it, because stored addresses are not verified. No
 * answer reveals by its shape, code or ids whether the hub knows the address. The exception is a `conflict` for the
 * address of a member of the organization, whose members the caller can list.
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
    const invited = await invitationOf(sql, organizationId, email);
    const former = invited?.role ?? "member";
    const invitation = {
      organizationId,
      email,
      role: role ?? former,
      invitedBy: caller.kind === "user" ? caller.principal.id : null,
    };
    await refuseUnmanaged(context, place, [former, invitation.role]);
    if (!invited && (await isMembersAddress(sql, organizationId, email))) throw membersAddress();
    if (!invited && (await hasOpenInvitations(sql, organizationId, MAX_OPEN_INVITATIONS))) throw tooManyOpen();
    const id = invited?.id ?? (await invite(sql, invitation));
    if (invited) await renewInvitation(sql, id, invitation);
    return { result: await membershipFor(context, id), place };
  },
});

const suspendMember = changingStatus("suspendMember", "suspended");
const restoreMember = changingStatus("restoreMember", "active");

export const organizationMembers = { procedures: [inviteMember, suspendMember, restoreMember] };

/** Both verbs have the same params and results. */
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
      return { result: await membershipFor(context, id), place, touched: memberTouched(place) };
    },
  });
}

function tooManyOpen(): HubError {
  const message = `The organization has ${MAX_OPEN_INVITATIONS} open invitations, which is the maximum. Withdraw some first.`;
  return new HubError("conflict", message);
}

function membersAddress(): HubError {
  const message = "is the address of a member. Change the membership, or restore it, instead";
  return new HubError("conflict", `email: ${message}`, { details: [{ path: "email", message }] });
}

async function membershipFor({ sql, caller }: WriteContext, id: string): Promise<OrganizationMembership> {
  return shown(organizationMemberships, caller, await read(organizationMemberships.rows, sql, id));
}
