import type {
  RpcParams,
  WorkflowTemplate,
  WorkflowTemplateCreate,
  WorkflowTemplateSet,
} from "@monster-realtime/client/protocol";
import { z } from "zod";
import { crud, type Entity } from "../crud.ts";
import * as field from "../fields.ts";
import { RIGHTS } from "../rights.ts";
import { removing } from "../sql/deletions.ts";
import { EntityRows } from "../sql/rows.ts";
import type { EntityTable } from "../sql/table.ts";
import { ofProject, projectOf } from "./of-project.ts";
import { workflowSteps } from "./workflow-steps.ts";

const table: EntityTable<WorkflowTemplate> = {
  ...ofProject("workflow_templates"),
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
};

const required = {
  name: field.filledText(255),
  modeSequence: workflowSteps.min(1, "must name at least one mode"),
};
// `isDefault` is written on the template. Triggers update the project and its other templates.
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
  placeOf: projectOf,
  removed: removing("workflow_templates"),
  touched: () => [],
};

export const workflowTemplates = { ...entity, procedures: crud(entity) };
