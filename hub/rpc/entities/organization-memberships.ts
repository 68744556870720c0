import type {
  OrganizationMembership,
  OrganizationMembershipCreate,
  OrganizationMembershipSet,
  Role,
  RpcParams,
} from "@monster-realtime/client/protocol";
import { z } from "zod";
import type { Touched } from "../../auth/facts.ts";
import { HubError } from "../../kernel/errors.ts";
import type { Caller } from "../caller.ts";
import { crud, type Entity, parent, refuseUnless } from "../crud.ts";
import * as field from "../fields.ts";
import type { WriteContext } from "../procedure.ts";
import { mayManage, type Place, RIGHTS } from "../rights.ts";
import { activeRole, endMembership, membershipStateOf } from "../sql/members.ts";
import { EntityRows } from "../sql/rows.ts";
import type { EntityTable } from "../sql/table.ts";
import { organizations } from "./organizations.ts";
import { users } from "./users.ts";

export const ROLES = ["owner", "admin", "member"] as const;
const STATUSES = ["active", "invited", "suspended"] as const;

const table: EntityTable<OrganizationMembership> = {
  table: "organization_memberships",
  columns: {
    id: "plain",
    organizationId: "plain",
    userId: "plain",
    // An invitation shows the invited address, not the address of the user's row. An invitation by user id has none.
    email: {
      computed: `CASE organization_memberships.status WHEN 'invited'
        THEN coalesce(organization_memberships.invited_email, users.email) ELSE users.email END`,
    },
    role: "plain",
    status: "plain",
    invitedBy: "plain",
    invitedAt: "timestamp",
    joinedAt: "timestamp",
    createdAt: "timestamp",
    updatedAt: "timestamp",
  },
  joins: `JOIN organizations ON organizations.id = organization_memberships.organization_id
    JOIN users ON users.id = organization_memberships.user_id`,
  visible: "organizations.deleted_at IS NULL",
  // Includes the caller's own memberships of any status, so that invited and suspended users can read them.
  seenBy(scope, parameters) {
    // Uses the table's own column, not the joined one, so that an index serves either side of the OR.
    const shared = `organization_memberships.organization_id = ANY(${parameters.add([...scope.ids])}::text[])`;
    if (!scope.user) return shared;
    const { id, clientIds } = scope.user;
    const own = `organization_memberships.user_id = ${parameters.add(id)}`;
    if (clientIds === null) return `(${shared} OR ${own})`;
    return `(${shared} OR (${own} AND organizations.monster_auth_client_id = ANY(${parameters.add([...clientIds])}::text[])))`;
  },
  filters: {
    // Excludes invitations of other users, or the filter would reveal who owns an invited address.
    userId(value, scope, parameters) {
      const ofUser = `organization_memberships.user_id = ${value}`;
      if (scope.kind !== "organizations") return ofUser;
      const asking = parameters.add(scope.user?.id ?? null);
      return `${ofUser} AND (organization_memberships.status <> 'invited' OR organization_memberships.user_id = ${asking})`;
    },
  },
  userId: "organization_memberships.user_id",
  projectId: null,
  workstationId: null,
  readableBy: () => "false",
  inProject: (project) => `organizations.id = (SELECT organization_id FROM projects WHERE projects.id = ${project})`,
  sort: [{ field: "id" }],
};

const role = field.oneOf<Role>(ROLES);

const entity: Entity<
  OrganizationMembership,
  NonNullable<RpcParams<"organizationMemberships.list">["filter"]>,
  OrganizationMembershipCreate,
  OrganizationMembershipSet
> = {
  name: "organizationMemberships",
  noun: "membership",
  idPrefix: "orgmem",
  rows: new EntityRows(table),
  rights: RIGHTS.organizationMemberships,
  schemas: {
    list: field.paramsOf<"organizationMemberships.list">()(
      field.listParams({
        userId: field.id("user"),
        role: field.oneOf<string>(ROLES),
        status: field.oneOf<string>(STATUSES),
      }),
    ),
    get: field.paramsOf<"organizationMemberships.get">()(field.idParams("orgmem")),
    create: field.paramsOf<"organizationMemberships.create">()(
      z.strictObject({ organizationId: field.id("org"), userId: field.id("user"), ...field.optional({ role }) }),
    ),
    update: field.paramsOf<"organizationMemberships.update">()(
      field.updateParams("orgmem", { role, status: z.enum(["active", "suspended"]) }),
    ),
    delete: field.paramsOf<"organizationMemberships.delete">()(field.deleteParams("orgmem")),
  },
  async placeOf(context, { organizationId, userId, role: given = "member" }) {
    const organization = await parent(organizations, context, organizationId);
    await refuseUnmanaged(context, organization, [given]);
    await parent(users, context, userId);
    return { ...organization, userId };
  },
  // Users invite; only services add members directly. A user joins only by accepting an invitation.
  completed: async (_, __, caller) =>
    caller.kind === "service"
      ? new Map([["joinedAt", new Date()]])
      : new Map<string, unknown>([
          ["status", "invited"],
          ["invitedBy", caller.principal.id],
          ["invitedAt", new Date()],
        ]),
  guard: refuseUnruly,
  shownTo: (caller, membership) =>
    membership.status !== "invited" || knowsInvited(caller, membership) ? membership : { ...membership, userId: null },
  removed: endMembership,
  touched: ({ place }) => memberTouched(place),
};

export const organizationMemberships = { ...entity, procedures: crud(entity) };

/** The user whose rights depend on a membership. */
export function memberTouched({ userId }: Place): Touched[] {
  return userId ? [{ entity: "user", id: userId }] : [];
}

/**
 * Throws `forbidden` unless the caller may create, change or end memberships of these roles in the place's
 * organization. Reads the caller's role under lock: a role that the caller has just lost must not grant roles to
 * anyone.
 */
export async function refuseUnmanaged({ sql, caller }: WriteContext, place: Place, roles: Role[]): Promise<void> {
  if (caller.kind === "service") return;
  const own = await activeRole(sql, place.organizationId, caller.principal.id);
  refuseUnless(mayManage(own, roles));
}

async function refuseUnruly(
  context: WriteContext,
  { id, place }: { id: string; place: Place },
  set: OrganizationMembershipSet | null,
): Promise<void> {
  const { caller, sql } = context;
  const membership = await membershipStateOf(sql, id);
  if (!membership) return;
  // A suspended member can't leave, or a new invitation would lift the suspension.
  if (set === null && place.userId === caller.principal.id) return refuseUnless(membership.status !== "suspended");
  await refuseUnmanaged(context, place, set?.role ? [membership.role, set.role] : [membership.role]);
  if (set?.status !== undefined && membership.status === "invited") {
    const message =
      "An invitation has no status to set. The invited user calls organizations.acceptInvite. To withdraw it, delete it.";
    throw new HubError("conflict", message);
  }
}

function knowsInvited({ kind, principal }: Caller, { userId }: OrganizationMembership): boolean {
  return kind === "service" ? principal.organizations === "*" : principal.id === userId;
}
