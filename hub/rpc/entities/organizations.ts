import type { Organization, OrganizationCreate, OrganizationSet, RpcParams } from "@monster-realtime/client/protocol";
import { z } from "zod";
import { crud, type Entity } from "../crud.ts";
import * as field from "../fields.ts";
import { RIGHTS } from "../rights.ts";
import { markOrganization } from "../sql/deletions.ts";
import { addOwner } from "../sql/effects.ts";
import { EntityRows } from "../sql/rows.ts";
import type { EntityTable } from "../sql/table.ts";

const table: EntityTable<Organization> = {
  table: "organizations",
  columns: {
    id: "plain",
    name: "plain",
    slug: "plain",
    domain: "plain",
    monsterAuthClientId: "plain",
    defaultWorkflowTemplateId: "plain",
    autoInviteToProjects: "plain",
    createdAt: "timestamp",
    updatedAt: "timestamp",
  },
  joins: "",
  visible: "organizations.deleted_at IS NULL",
  projectId: null,
  workstationId: null,
  readableBy: () => "false",
  inProject: (project) => `organizations.id = (SELECT organization_id FROM projects WHERE projects.id = ${project})`,
  sort: [{ field: "id" }],
};

const settings = {
  domain: field.text(255).nullable(),
  monsterAuthClientId: field.filledText(100).nullable(),
  autoInviteToProjects: z.boolean(),
};
const named = { name: field.filledText(255), slug: field.slug };

const entity: Entity<
  Organization,
  NonNullable<RpcParams<"organizations.list">["filter"]>,
  OrganizationCreate,
  OrganizationSet
> = {
  name: "organizations",
  noun: "organization",
  idPrefix: "org",
  rows: new EntityRows(table),
  rights: RIGHTS.organizations,
  schemas: {
    list: field.paramsOf<"organizations.list">()(field.listParams({ slug: z.string() })),
    get: field.paramsOf<"organizations.get">()(field.idParams("org")),
    create: field.paramsOf<"organizations.create">()(z.strictObject({ ...named, ...field.optional(settings) })),
    update: field.paramsOf<"organizations.update">()(
      field.updateParams("org", {
        ...named,
        ...settings,
        defaultWorkflowTemplateId: field.id("wftpl").nullable(),
      }),
    ),
    delete: field.paramsOf<"organizations.delete">()(field.deleteParams("org")),
  },
  placeOf: async (_, __, id) => ({ organizationId: id, projectId: null, workstationId: null }),
  created: ({ sql, caller }, id) => addOwner(sql, id, caller.principal.id),
  removed: markOrganization,
  touched: ({ id }, _, { caller }) => [
    { entity: "organization", id },
    ...(caller.kind === "user" ? [{ entity: "user" as const, id: caller.principal.id }] : []),
  ],
};

export const organizations = { ...entity, procedures: crud(entity) };
