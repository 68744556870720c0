import type { OrganizationCreate, OrganizationSet } from "@monster-realtime/client/protocol";
import { ulid } from "ulid";
import { z } from "zod";
import { HubError } from "../../errors.ts";
import { locked } from "../../locked.ts";
import {
  deleteProcedure,
  getProcedure,
  getRow,
  idOf,
  insertRow,
  listProcedure,
  run,
  updateProcedure,
} from "../crud.ts";
import type { Entity } from "../entity.ts";
import { columns, short, slug } from "../fields.ts";
import { defineProcedure, type Procedure } from "../procedure.ts";

const entity: Entity = {
  name: "organizations",
  table: "organizations",
  noun: "organization",
  idPrefix: "org",
  fields: columns(
    "id",
    "name",
    "slug",
    "domain",
    "monsterAuthClientId",
    "defaultWorkflowTemplateId",
    "autoInviteToProjects",
    "createdAt",
    "updatedAt",
  ),
  joins: "",
  visible: "e.deleted_at IS NULL",
  scope: { organization: "e.id", project: null, workstation: null },
  projectColumn: null,
  filters: ["slug"],
  order: [],
  softDelete: true,
};

const shared = {
  domain: short(255).nullable().exactOptional(),
  monsterAuthClientId: short(100).nullable().exactOptional(),
  autoInviteToProjects: z.boolean().exactOptional(),
};
const create = locked<OrganizationCreate>()(z.strictObject({ name: short(255), slug, ...shared }));
const set = locked<OrganizationSet>()(
  z.strictObject({
    name: short(255).exactOptional(),
    slug: slug.exactOptional(),
    ...shared,
    defaultWorkflowTemplateId: idOf("wftpl").nullable().exactOptional(),
  }),
);

/** Any user may make one and becomes its owner; services that may do everything make them for others. */
const createProcedure = defineProcedure({
  method: "organizations.create",
  writes: true,
  input: create,
  async run(context, params) {
    const { principal, sql, touched } = context;
    const everywhere = principal.kind === "service" && principal.organizations === "*";
    if (principal.kind !== "user" && !everywhere) throw new HubError("forbidden", "Only users make organizations.");
    const id = await insertRow(context, entity, { ...params });
    if (principal.kind === "user") {
      const text =
        "INSERT INTO organization_memberships (id, organization_id, user_id, role, joined_at) VALUES ($1, $2, $3, 'owner', now())";
      await run(sql, text, [`orgmem_${ulid()}`, id, principal.id]);
      touched.push({ entity: "user", id: principal.id });
    }
    return getRow({ ...context, scope: { kind: "organizations", organizationIds: [id] } }, entity, id);
  },
});

const touch: Parameters<typeof deleteProcedure>[1] = ({ touched }, id) =>
  void touched.push({ entity: "organization", id });

export const organizations: readonly Procedure[] = [
  listProcedure(entity, z.strictObject({ slug: z.string().optional() })),
  getProcedure(entity),
  createProcedure,
  updateProcedure(entity, { set, after: touch }),
  deleteProcedure(entity, touch),
];
