import type {
  RpcParams,
  WorkflowTemplate,
  WorkflowTemplateCreate,
  WorkflowTemplateSet,
} from "@monster-realtime/client/protocol";
import { z } from "zod";
import { crud, type Entity, parent, refuseInactiveProject } from "../crud.ts";
import * as field from "../fields.ts";
import { RIGHTS } from "../rights.ts";
import { EntityRows } from "../sql/rows.ts";
import type { EntityTable } from "../sql/table.ts";
import { projects } from "./projects.ts";
import { workflowSteps } from "./workflow-steps.ts";

const table: EntityTable<WorkflowTemplate> = {
  table: "workflow_templates",
  columns: {
    id: "plain",
    projectId: "plain",
    name: "plain",
    description: "plain",
    modeSequence: "json",
    isDefault: "plain",
    tasksUsingCount: "plain",
    createdAt: "timestamp",
    updatedAt: "timestamp",
  },
  joins: `JOIN projects ON projects.id = workflow_templates.project_id
    JOIN organizations ON organizations.id = projects.organization_id`,
  visible: "organizations.deleted_at IS NULL",
  projectId: "projects.id",
  workstationId: null,
  readableBy: (workstation) =>
    `workflow_templates.project_id IN (SELECT project_id FROM project_workstations WHERE workstation_id = ${workstation})`,
  inProject: (project) => `workflow_templates.project_id = ${project}`,
  sort: [{ field: "id" }],
};

const required = {
  name: field.filledText(255),
  modeSequence: workflowSteps.min(1, "must name at least one mode"),
};
// Whether it is the default is written on the template; the database makes the project and its other templates follow.
const settings = { description: field.longText.nullable(), isDefault: z.boolean() };

const entity: Entity<
  WorkflowTemplate,
  NonNullable<RpcParams<"workflowTemplates.list">["filter"]>,
  WorkflowTemplateCreate,
  WorkflowTemplateSet
> = {
  name: "workflowTemplates",
  noun: "workflow template",
  idPrefix: "wftpl",
  rows: new EntityRows(table),
  rights: RIGHTS.workflowTemplates,
  schemas: {
    list: field.paramsOf<"workflowTemplates.list">()(field.listParams({ isDefault: z.boolean() })),
    get: field.paramsOf<"workflowTemplates.get">()(field.idParams("wftpl")),
    create: field.paramsOf<"workflowTemplates.create">()(
      z.strictObject({ projectId: field.id("proj"), ...required, ...field.optional(settings) }),
    ),
    update: field.paramsOf<"workflowTemplates.update">()(field.updateParams("wftpl", { ...required, ...settings })),
    delete: field.paramsOf<"workflowTemplates.delete">()(field.deleteParams("wftpl")),
  },
  async placeOf(context, { projectId }) {
    const project = await parent(projects, context, projectId);
    refuseInactiveProject(project);
    return project;
  },
  touched: () => [],
};

export const workflowTemplates = { ...entity, procedures: crud(entity) };
