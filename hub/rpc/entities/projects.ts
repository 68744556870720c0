import type { Project, ProjectCreate, ProjectSet, RpcParams } from "@monster-realtime/client/protocol";
import { z } from "zod";
import { crud, type Entity, parent } from "../crud.ts";
import * as field from "../fields.ts";
import { RIGHTS } from "../rights.ts";
import { markProject } from "../sql/deletions.ts";
import { EntityRows } from "../sql/rows.ts";
import type { EntityTable } from "../sql/table.ts";
import { organizations } from "./organizations.ts";

const STATUSES = ["active", "archived", "suspended"] as const;

const table: EntityTable<Project> = {
  table: "projects",
  columns: {
    id: "plain",
    organizationId: "plain",
    name: "plain",
    description: "plain",
    slug: "plain",
    defaultWorkflowTemplateId: "plain",
    defaultActorId: "plain",
    memory: "plain",
    status: "plain",
    createdAt: "timestamp",
    updatedAt: "timestamp",
    archivedAt: "timestamp",
  },
  joins: "JOIN organizations ON organizations.id = projects.organization_id",
  visible: "projects.deleted_at IS NULL AND organizations.deleted_at IS NULL",
  projectId: "projects.id",
  workstationId: null,
  readableBy: (workstation) =>
    `projects.id IN (SELECT project_id FROM project_workstations WHERE workstation_id = ${workstation})`,
  inProject: (project) => `projects.id = ${project}`,
  sort: [{ field: "id" }],
};

const described = {
  description: field.longText.nullable(),
  slug: field.slug.nullable(),
  memory: field.longText.nullable(),
};

const entity: Entity<Project, NonNullable<RpcParams<"projects.list">["filter"]>, ProjectCreate, ProjectSet> = {
  name: "projects",
  noun: "project",
  idPrefix: "proj",
  rows: new EntityRows(table),
  rights: RIGHTS.projects,
  schemas: {
    list: field.paramsOf<"projects.list">()(
      field.listParams({ status: field.oneOf<string>(STATUSES), slug: z.string() }),
    ),
    get: field.paramsOf<"projects.get">()(field.idParams("proj")),
    create: field.paramsOf<"projects.create">()(
      z.strictObject({ organizationId: field.id("org"), name: field.filledText(255), ...field.optional(described) }),
    ),
    update: field.paramsOf<"projects.update">()(
      field.updateParams("proj", {
        name: field.filledText(255),
        ...described,
        defaultWorkflowTemplateId: field.id("wftpl").nullable(),
        defaultActorId: field.id("actor").nullable(),
        status: field.oneOf<Project["status"]>(STATUSES),
      }),
    ),
    delete: field.paramsOf<"projects.delete">()(field.deleteParams("proj")),
  },
  placeOf: async (context, { organizationId }, id) => ({
    ...(await parent(organizations, context, organizationId)),
    projectId: id,
  }),
  removed: markProject,
  outlivesArchiving: true,
  touched: ({ id }, set) => (set === null || set.status !== undefined ? [{ entity: "project", id }] : []),
};

export const projects = { ...entity, procedures: crud(entity) };
