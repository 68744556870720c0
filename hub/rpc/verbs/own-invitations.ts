import type { OwnInvitation, OwnInvitationsParams, RpcParams } from "@monster-realtime/client/protocol";
import { z } from "zod";
import { HubError } from "../../kernel/errors.ts";
import type { Caller } from "../caller.ts";
import { lock, notFound, read, refuseUnless, shown } from "../crud.ts";
import { decodeCursor, encodeCursor } from "../cursor.ts";
import { memberTouched, organizationMemberships } from "../entities/organization-memberships.ts";
import * as field from "../fields.ts";
import { defineProcedure, type ReadContext, type WriteContext } from "../procedure.ts";
import { RIGHTS } from "../rights.ts";
import { activate, endMembership, membershipStateOf, ownMembership } from "../sql/members.ts";
import { askForInvitations, pendingUsers } from "../sql/own-invitations.ts";

const DEFAULT_LIMIT = 50;
const input = z.strictObject({ organizationId: field.id("org") });

/**
 * Lists invitations to the address that the caller's token proves. Writes nothing, so that neither the audit trail nor
 * its ids reveal to an organization that the address has an owner.
 */
const list = defineProcedure<RpcParams<"organizations.invitations">>({
  method: "organizations.invitations",
  kind: "read",
  input: field.paramsOf<"organizations.invitations">()(
    z.strictObject(field.optional({ limit: field.limit, cursor: z.string().max(4_096) })),
  ),
  rights: RIGHTS.organizations.invitations,
  handler: page,
});

async function page({ caller, database }: ReadContext, { limit = DEFAULT_LIMIT, cursor }: OwnInvitationsParams) {
  const { id: userId, provenAddress: address = null } = personOf(caller);
  const binding = ["organizations.invitations", userId];
  const after = cursor === undefined ? null : String(decodeCursor(binding, cursor, ["plain"])[0]);
  const places = address === null ? [] : await database.query((sql) => pendingUsers(sql, address));
  const query = { userId, address, pendingIds: places.map(({ id }) => id), after, limit: limit + 1 };
  const rows = await database.query((sql) => askForInvitations(sql, query));
  const items = rows
    .slice(0, limit)
    .map((row): OwnInvitation => ({ ...row, invitedAt: row.invitedAt?.toISOString() ?? null }));
  const last = rows.length > limit ? items.at(-1) : undefined;
  return { items, nextCursor: last ? encodeCursor(binding, [last.membershipId]) : null };
}

const accept = defineProcedure<RpcParams<"organizations.acceptInvite">>({
  method: "organizations.acceptInvite",
  kind: "write",
  input: field.paramsOf<"organizations.acceptInvite">()(input),
  rights: RIGHTS.organizations.acceptInvite,
  async handler(context, { organizationId }) {
    const { sql, caller } = context;
    const { id, place, status } = await held(context, organizationId);
    if (status === "suspended")
      throw new HubError("suspended", "You are suspended in this organization. Ask one of its admins.");
    const isInvited = status === "invited";
    if (isInvited) await activate(sql, id);
    const result = shown(organizationMemberships, caller, await read(organizationMemberships.rows, sql, id));
    return { result, place, touched: isInvited ? memberTouched(place) : [] };
  },
});

const decline = defineProcedure<RpcParams<"organizations.declineInvite">>({
  method: "organizations.declineInvite",
  kind: "write",
  input: field.paramsOf<"organizations.declineInvite">()(input),
  rights: RIGHTS.organizations.declineInvite,
  async handler(context, { organizationId }) {
    const { id, status } = await held(context, organizationId);
    if (status !== "invited") {
      const message = "You are a member of this organization, not invited. To leave it, delete your membership.";
      throw new HubError("conflict", message);
    }
    await endMembership(context.sql, id);
    return { result: { organizationId }, place: null };
  },
});

export const ownInvitations = { procedures: [list, accept, decline] };

/** Locks the caller's membership in the organization. Throws `not_found` if there is none. */
async function held(context: WriteContext, organizationId: string) {
  const { sql, caller } = context;
  const rights = RIGHTS.organizations.acceptInvite;
  const id = await ownMembership(sql, organizationId, personOf(caller));
  if (id === null) throw notFound("invitation");
  const place = await lock({ ...organizationMemberships, noun: "invitation" }, rights, context, { id });
  return { id, place, status: (await membershipStateOf(sql, id))?.status };
}

/** Throws `forbidden` for callers that are not users. The methods' rights exclude them already. */
function personOf(caller: Caller) {
  refuseUnless(caller.kind === "user");
  return caller.principal as Extract<Caller, { kind: "user" }>["principal"];
}
