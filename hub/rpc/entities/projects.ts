import type { ProjectCreate, ProjectSet } from "@monster-realtime/client/protocol";
import { z } from "zod";
import { locked } from "../../locked.ts";
import { deleteProcedure, getProcedure, getRow, idOf, insertRow, listProcedure, updateProcedure } from "../crud.ts";
import type { Entity } from "../entity.ts";
import { columns, long, short, slug } from "../fields.ts";
import { authorizeCreateIn } from "../parents.ts";
import { defineProcedure, type Procedure } from "../procedure.ts";

const entity: Entity = {
  name: "projects",
  table: "projects",
  noun: "project",
  idPrefix: "proj",
  fields: columns(
    "id",
    "organizationId",
    "name",
    "description",
    "slug",
    "defaultWorkflowTemplateId",
    "defaultActorId",
    "memory",
    "status",
    "createdAt",
    "updatedAt",
    "archivedAt",
  ),
  joins: "JOIN organizations o ON o.id = e.organization_id AND o.deleted_at IS NULL",
  scope: { organization: "e.organization_id", project: "e.id", workstation: null },
  projectColumn: "e.id",
  filters: ["status", "slug"],
  order: [],
};

const shared = {
  description: long.nullable().exactOptional(),
  slug: slug.nullable().exactOptional(),
  memory: long.nullable().exactOptional(),
};
const create = locked<ProjectCreate>()(z.strictObject({ organizationId: idOf("org"), name: short(255), ...shared }));
const set = locked<ProjectSet>()(
  z.strictObject({
    name: short(255).exactOptional(),
    ...shared,
    defaultWorkflowTemplateId: idOf("wftpl").nullable().exactOptional(),
    defaultActorId: idOf("actor").nullable().exactOptional(),
  }),
);

const createProcedure = defineProcedure({
  method: "projects.create",
  writes: true,
  input: create,
  async run(context, params) {
    await authorizeCreateIn(context, entity, params.organizationId);
    return getRow(context, entity, await insertRow(context, entity, params));
  },
});

export const projects: readonly Procedure[] = [
  listProcedure(
    entity,
    z.strictObject({ status: z.enum(["active", "archived", "suspended"]).optional(), slug: z.string().optional() }),
  ),
  getProcedure(entity),
  createProcedure,
  updateProcedure(entity, { set }),
  deleteProcedure(entity, ({ touched }, id) => void touched.push({ entity: "project", id })),
];
