import type { RpcParams, Task, TaskCreate, TaskSet } from "@monster-realtime/client/protocol";
import { z } from "zod";
import { refuseMoveOfRunning } from "../../tasks/assign.ts";
import { EFFECTIVE_WORKFLOW } from "../../tasks/held-task.ts";
import { announce, placeIn } from "../../tasks/order.ts";
import { crud, type Entity, parent, refuseInactiveProject, refuseUnless } from "../crud.ts";
import * as field from "../fields.ts";
import type { WriteContext } from "../procedure.ts";
import { may, RIGHTS } from "../rights.ts";
import { removing } from "../sql/deletions.ts";
import { EntityRows, type Located } from "../sql/rows.ts";
import type { EntityTable } from "../sql/table.ts";
import { ofProject, projectOf } from "./of-project.ts";
import { projects } from "./projects.ts";
import { MODES, workflowSteps } from "./workflow-steps.ts";

export const LISTS = ["todo", "doing", "review", "done", "loop"] as const;
const SESSION_STATUSES = ["INACTIVE", "PUSHING", "ACTIVE"] as const;
const MAX_LIST_ORDER = 99_999;

const table: EntityTable<Task> = {
  ...ofProject("tasks"),
  table: "tasks",
  columns: {
    id: "plain",
    projectId: "plain",
    title: "plain",
    description: "plain",
    refinedTitle: "plain",
    refinedDescription: "plain",
    priority: "plain",
    list: "plain",
    listOrder: "decimal",
    mode: "plain",
    workflowTemplateId: "plain",
    workflowConfig: "json",
    effectiveWorkflow: { computed: EFFECTIVE_WORKFLOW },
    projectRepositoryId: "plain",
    targetBranch: "plain",
    actorId: "plain",
    ready: "plain",
    agentSessionStatus: "plain",
    activeAgentId: "plain",
    lastAgentSessionId: "plain",
    planSolution: "plain",
    planSpec: "plain",
    planSteps: "json",
    reviewInstructions: "plain",
    reviewFeedback: "plain",
    reviewAttachments: "json",
    dependencyCount: "plain",
    createdAt: "timestamp",
    updatedAt: "timestamp",
    completedAt: "timestamp",
    workflowStep: "plain",
    loops: "plain",
    lastError: "plain",
  },
  longFields: [
    "description",
    "refinedDescription",
    "planSolution",
    "planSpec",
    "planSteps",
    "reviewInstructions",
    "reviewFeedback",
    "reviewAttachments",
  ],
  // The workstation of the task's current agent.
  workstationId: "(SELECT agents.workstation_id FROM agents WHERE agents.id = tasks.active_agent_id)",
  sort: [{ field: "priority", descending: true }, { field: "listOrder" }, { field: "createdAt" }, { field: "id" }],
};

const title = field.filledText(500);
export const priority = z.int().min(1).max(5);
const described = {
  description: field.longText.nullable(),
  refinedTitle: field.text(500).nullable(),
  refinedDescription: field.longText.nullable(),
  priority,
  list: field.oneOf<Task["list"]>(LISTS),
  listOrder: z.number().min(-MAX_LIST_ORDER).max(MAX_LIST_ORDER),
  mode: field.oneOf<Task["mode"]>(MODES),
  workflowTemplateId: field.id("wftpl").nullable(),
  workflowConfig: workflowSteps.nullable(),
  projectRepositoryId: field.id("repo").nullable(),
  targetBranch: field.text(100).nullable(),
  actorId: field.id("actor").nullable(),
  ready: z.boolean(),
  planSolution: field.longText.nullable(),
  planSpec: field.longText.nullable(),
  planSteps: z.array(z.unknown()).nullable(),
  reviewInstructions: field.longText.nullable(),
  reviewFeedback: field.longText.nullable(),
  reviewAttachments: z.array(z.unknown()).nullable(),
};

const entity: Entity<Task, NonNullable<RpcParams<"tasks.list">["filter"]>, TaskCreate, TaskSet> = {
  name: "tasks",
  noun: "task",
  idPrefix: "task",
  rows: new EntityRows(table),
  rights: RIGHTS.tasks,
  schemas: {
    list: field.paramsOf<"tasks.list">()(
      field.listParams({
        list: field.oneOf<string>(LISTS),
        ready: z.boolean(),
        agentSessionStatus: field.oneOf<string>(SESSION_STATUSES),
      }),
    ),
    get: field.paramsOf<"tasks.get">()(field.idParams("task")),
    create: field.paramsOf<"tasks.create">()(
      z.strictObject({ projectId: field.id("proj"), title, ...field.optional(described) }),
    ),
    update: field.paramsOf<"tasks.update">()(
      field.updateParams("task", { projectId: field.id("proj"), title, ...described }),
    ),
    delete: field.paramsOf<"tasks.delete">()(field.deleteParams("task")),
  },
  placeOf: projectOf,
  // The project is locked, so that two tasks never get the same position.
  async completed(sql, { projectId, list = "todo", listOrder }) {
    if (listOrder !== undefined) return new Map();
    const placed = await placeIn(sql, { projectId, list }, null, null);
    await announce(sql, { projectId, list }, placed.renumbered);
    return new Map([["listOrder", placed.listOrder]]);
  },
  async guard(context, row, set) {
    await refuseUnlessMovable(context, row, set);
    const { projectId } = row.place;
    if (set?.projectRepositoryId == null || projectId === null) return;
    await refuseMoveOfRunning(context.sql, { id: row.id, projectId }, set.projectRepositoryId);
  },
  removed: removing("tasks"),
  touched: ({ id }, set) => (set === null || set.projectId !== undefined ? [{ entity: "task", id }] : []),
};

export const tasks = { ...entity, procedures: crud(entity) };

/**
 * Throws unless the caller may also write tasks in the target project. The database checks whether the task can move.
 */
async function refuseUnlessMovable(
  context: WriteContext,
  { place }: { place: Located },
  set: TaskSet | null,
): Promise<void> {
  if (set?.projectId === undefined || set.projectId === place.projectId) return;
  const target = await parent(projects, context, set.projectId);
  refuseUnless(may(context.caller, RIGHTS.tasks.update, target, Object.keys(set)));
  refuseInactiveProject(target);
}
