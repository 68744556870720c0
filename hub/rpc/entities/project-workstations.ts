import type {
  ProjectWorkstation,
  ProjectWorkstationCreate,
  ProjectWorkstationSet,
  RpcParams,
} from "@monster-realtime/client/protocol";
import { z } from "zod";
import type { Touched } from "../../auth/facts.ts";
import { crud, type Entity, notFound, parent, refuseInactiveProject } from "../crud.ts";
import * as field from "../fields.ts";
import { type Place, RIGHTS } from "../rights.ts";
import { EntityRows } from "../sql/rows.ts";
import type { EntityTable } from "../sql/table.ts";
import { projects } from "./projects.ts";
import { workstations } from "./workstations.ts";

const MAX_PRIORITY = 1_000_000;

const table: EntityTable<ProjectWorkstation> = {
  table: "project_workstations",
  columns: {
    id: "plain",
    projectId: "plain",
    workstationId: "plain",
    canReceiveTasks: "plain",
    priority: "plain",
    createdAt: "timestamp",
    updatedAt: "timestamp",
  },
  joins: `JOIN projects ON projects.id = project_workstations.project_id
    JOIN organizations ON organizations.id = projects.organization_id
    JOIN workstations ON workstations.id = project_workstations.workstation_id`,
  visible: "projects.deleted_at IS NULL AND workstations.deleted_at IS NULL AND organizations.deleted_at IS NULL",
  projectId: "projects.id",
  workstationId: "workstations.id",
  readableBy: (workstation) => `project_workstations.workstation_id = ${workstation}`,
  inProject: (project) => `project_workstations.project_id = ${project}`,
  sort: [{ field: "id" }],
};

const settings = { canReceiveTasks: z.boolean(), priority: z.int().min(0).max(MAX_PRIORITY) };

const entity: Entity<
  ProjectWorkstation,
  NonNullable<RpcParams<"projectWorkstations.list">["filter"]>,
  ProjectWorkstationCreate,
  ProjectWorkstationSet
> = {
  name: "projectWorkstations",
  noun: "attachment",
  idPrefix: "projws",
  rows: new EntityRows(table),
  rights: RIGHTS.projectWorkstations,
  schemas: {
    list: field.paramsOf<"projectWorkstations.list">()(field.listParams({ workstationId: field.id("ws") })),
    get: field.paramsOf<"projectWorkstations.get">()(field.idParams("projws")),
    create: field.paramsOf<"projectWorkstations.create">()(
      z.strictObject({ projectId: field.id("proj"), workstationId: field.id("ws"), ...field.optional(settings) }),
    ),
    update: field.paramsOf<"projectWorkstations.update">()(field.updateParams("projws", settings)),
    delete: field.paramsOf<"projectWorkstations.delete">()(field.deleteParams("projws")),
  },
  async placeOf(context, { projectId, workstationId }) {
    const project = await parent(projects, context, projectId);
    const workstation = await parent(workstations, context, workstationId);
    // The workstation belongs to another organization of the caller, not to the project's.
    if (workstation.organizationId !== project.organizationId) throw notFound("workstation");
    refuseInactiveProject(project);
    return { ...project, workstationId };
  },
  touched: ({ place }, set) => (set === null ? both(place) : []),
};

/** Both sides of an attachment: it affects the workstation's projects and the project's presence. */
function both({ projectId, workstationId }: Place): Touched[] {
  return [
    ...(workstationId === null ? [] : [{ entity: "workstation" as const, id: workstationId }]),
    ...(projectId === null ? [] : [{ entity: "project" as const, id: projectId }]),
  ];
}

export const projectWorkstations = { ...entity, procedures: crud(entity) };
