import type { RpcParams, User, UserCreate, UserSet } from "@monster-realtime/client/protocol";
import { z } from "zod";
import { isFirstParty } from "../../auth/principal.ts";
import { PENDING_PREFIX } from "../../kernel/email-address.ts";
import type { Caller } from "../caller.ts";
import { crud, type Entity } from "../crud.ts";
import * as field from "../fields.ts";
import { RIGHTS } from "../rights.ts";
import { removing } from "../sql/deletions.ts";
import { EntityRows } from "../sql/rows.ts";
import type { EntityTable } from "../sql/table.ts";

const table: EntityTable<User> = {
  table: "users",
  columns: {
    id: "plain",
    monsterAuthUserId: "plain",
    email: "plain",
    name: "plain",
    avatarUrl: "plain",
    displayName: "plain",
    timezone: "plain",
    createdAt: "timestamp",
    updatedAt: "timestamp",
    lastActiveAt: "timestamp",
  },
  // A user belongs to no single organization. The statement's empty organization id is visible to services of all
  // organizations.
  joins: "CROSS JOIN (SELECT '' AS id) AS organizations",
  visible: `users.deleted_at IS NULL AND users.monster_auth_user_id NOT LIKE '${PENDING_PREFIX}%'`,
  seenBy({ ids, user }, parameters) {
    const coMember = `EXISTS (SELECT FROM organization_memberships shared
      JOIN organizations living ON living.id = shared.organization_id AND living.deleted_at IS NULL
      WHERE shared.user_id = users.id AND shared.status = 'active'
        AND shared.organization_id = ANY(${parameters.add([...ids])}::text[]))`;
    return user && isFirstParty(user) ? `(users.id = ${parameters.add(user.id)} OR ${coMember})` : coMember;
  },
  // For a page, `seenBy` would scan all users. The ids of the visible users are few, and an index returns them in page
  // order.
  listedBy({ ids, user }, parameters) {
    const coMembers = `SELECT shared.user_id FROM organization_memberships shared
      JOIN organizations living ON living.id = shared.organization_id AND living.deleted_at IS NULL
      WHERE shared.status = 'active' AND shared.organization_id = ANY(${parameters.add([...ids])}::text[])`;
    const oneself = user && isFirstParty(user) ? `UNION ALL SELECT ${parameters.add(user.id)}::text` : "";
    return `users.id = ANY(ARRAY(${coMembers} ${oneself}))`;
  },
  inOrganization: (organization) =>
    `users.id IN (SELECT user_id FROM organization_memberships WHERE organization_id = ${organization} AND status = 'active')`,
  userId: "users.id",
  projectId: null,
  workstationId: null,
  readableBy: () => "false",
  // Users belong to no project, so this is never true. It uses the parameter because Postgres requires that.
  inProject: (project) => `${project}::text IS NULL`,
  sort: [{ field: "id" }],
};

const profile = {
  name: field.text(255).nullable(),
  avatarUrl: field.webAddress.nullable(),
  displayName: field.text(255).nullable(),
  timezone: field.timezone,
};

const entity: Entity<User, NonNullable<RpcParams<"users.list">["filter"]>, UserCreate, UserSet> = {
  name: "users",
  noun: "user",
  idPrefix: "user",
  rows: new EntityRows(table),
  rights: RIGHTS.users,
  schemas: {
    list: field.paramsOf<"users.list">()(field.listParams({ email: z.string() })),
    get: field.paramsOf<"users.get">()(field.idParams("user")),
    create: field.paramsOf<"users.create">()(
      z.strictObject({
        monsterAuthUserId: field
          .filledText(100)
          .refine((subject) => !subject.startsWith(PENDING_PREFIX), `must not begin with ${PENDING_PREFIX}`),
        email: field.email,
        ...field.optional(profile),
      }),
    ),
    update: field.paramsOf<"users.update">()(field.updateParams("user", { email: field.email, ...profile })),
    delete: field.paramsOf<"users.delete">()(field.deleteParams("user")),
  },
  placeOf: async (_, __, id) => ({ organizationId: "", projectId: null, workstationId: null, userId: id }),
  shownTo: (caller, user) =>
    caller.kind === "service" || isOneself(caller, user.id) ? user : { ...user, monsterAuthUserId: null },
  removed: removing("users"),
  touched: ({ id }, set) => (set === null ? [{ entity: "user", id }] : []),
};

export const users = { ...entity, procedures: crud(entity) };

function isOneself(caller: Caller, id: string): boolean {
  return caller.kind === "user" && isFirstParty(caller.principal) && caller.principal.id === id;
}
