import type { TaskCreate, TaskList, TaskMode, TaskSet } from "@monster-realtime/client/protocol";
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
import { columns, jsonColumns, long, short } from "../fields.ts";
import { authorizeCreateInProject } from "../parents.ts";
import { defineProcedure, type Procedure, type ProcedureContext } from "../procedure.ts";

const entity: Entity = {
  name: "tasks",
  table: "tasks",
  noun: "task",
  idPrefix: "task",
  fields: {
    ...columns("id", "projectId", "title", "description", "refinedTitle", "refinedDescription", "priority", "list"),
    listOrder: { column: "list_order", read: "float8" },
    ...columns("mode", "workflowTemplateId"),
    ...jsonColumns("workflowConfig"),
    ...columns(
      "projectRepositoryId",
      "targetBranch",
      "actorId",
      "ready",
      "agentSessionStatus",
      "activeAgentId",
      "lastAgentSessionId",
    ),
    ...columns("planSolution", "planSpec"),
    ...jsonColumns("planSteps"),
    ...columns("reviewInstructions", "reviewFeedback"),
    ...jsonColumns("reviewAttachments"),
    ...columns("dependencyCount", "createdAt", "updatedAt", "completedAt"),
  },
  computed: {
    effectiveWorkflow:
      "coalesce(e.workflow_config, own.mode_sequence, of_project.mode_sequence, of_organization.mode_sequence)",
  },
  joins: `JOIN projects p ON p.id = e.project_id JOIN organizations o ON o.id = p.organization_id AND o.deleted_at IS NULL
    LEFT JOIN workflow_templates own ON own.id = e.workflow_template_id
    LEFT JOIN workflow_templates of_project ON of_project.id = p.default_workflow_template_id
    LEFT JOIN workflow_templates of_organization ON of_organization.id = o.default_workflow_template_id`,
  scope: { organization: "p.organization_id", project: "e.project_id", workstation: null },
  longTexts: [
    "description",
    "refinedDescription",
    "planSolution",
    "planSpec",
    "planSteps",
    "reviewInstructions",
    "reviewFeedback",
    "reviewAttachments",
  ],
  projectColumn: "e.project_id",
  filters: ["list", "ready", "agentSessionStatus"],
  order: [
    { column: "e.project_id", type: "text" },
    { column: "e.list", type: "task_list" },
    { column: "e.priority", type: "integer", descending: true },
    { column: "e.list_order", type: "numeric" },
    { column: "e.created_at", type: "timestamptz" },
  ],
};

const LISTS = ["todo", "doing", "review", "done", "loop"] as const;
const MODES = ["clarify", "plan", "execute", "review", "iterate"] as const;
const STEP = 10;
const MAX_ORDER = 99_999;

const list: z.ZodType<TaskList> = z.enum(LISTS);
const mode: z.ZodType<TaskMode> = z.enum(MODES);
const step = z.strictObject({ mode, requireReview: z.boolean() });
const optional = {
  description: long.nullable().exactOptional(),
  refinedTitle: short(500).nullable().exactOptional(),
  refinedDescription: long.nullable().exactOptional(),
  priority: z.int().min(1).max(5).exactOptional(),
  list: list.exactOptional(),
  listOrder: z.number().min(-MAX_ORDER).max(MAX_ORDER).exactOptional(),
  mode: mode.exactOptional(),
  workflowTemplateId: idOf("wftpl").nullable().exactOptional(),
  workflowConfig: z.array(step).max(100).nullable().exactOptional(),
  projectRepositoryId: idOf("repo").nullable().exactOptional(),
  targetBranch: short(100).nullable().exactOptional(),
  actorId: idOf("actor").nullable().exactOptional(),
  ready: z.boolean().exactOptional(),
  planSolution: long.nullable().exactOptional(),
  planSpec: long.nullable().exactOptional(),
  planSteps: z.array(z.unknown()).nullable().exactOptional(),
  reviewInstructions: long.nullable().exactOptional(),
  reviewFeedback: long.nullable().exactOptional(),
  reviewAttachments: z.array(z.unknown()).nullable().exactOptional(),
};
const create = locked<TaskCreate>()(z.strictObject({ projectId: idOf("proj"), title: short(500), ...optional }));
const set = locked<TaskSet>()(z.strictObject({ title: short(500).exactOptional(), ...optional }));

/** Behind the last one of its list; the project's lock keeps two creators from taking the same place. */
async function lastPlace({ sql }: ProcedureContext, projectId: string, inList: string): Promise<number> {
  await run(sql, "SELECT pg_advisory_xact_lock(hashtextextended('board:' || $1, 0))", [projectId]);
  const text = "SELECT max(list_order)::float8 AS last FROM tasks WHERE project_id = $1 AND list = $2::task_list";
  const [row] = await run<{ last: number | null }>(sql, text, [projectId, inList]);
  const place = row?.last === null || row?.last === undefined ? 1_000 : row.last + STEP;
  if (place <= MAX_ORDER) return place;
  throw new HubError(
    "conflict",
    "The list has no place left behind its last task. Set listOrder of that task lower first.",
  );
}

const createProcedure = defineProcedure({
  method: "tasks.create",
  writes: true,
  input: create,
  async run(context, params) {
    await authorizeCreateInProject(context, entity, params.projectId);
    const listOrder = params.listOrder ?? (await lastPlace(context, params.projectId, params.list ?? "todo"));
    return getRow(context, entity, await insertRow(context, entity, { ...params, listOrder }));
  },
});

export const tasks: readonly Procedure[] = [
  listProcedure(
    entity,
    z.strictObject({
      list: z.enum(LISTS).optional(),
      ready: z.boolean().optional(),
      agentSessionStatus: z.enum(["INACTIVE", "PUSHING", "ACTIVE"]).optional(),
    }),
  ),
  getProcedure(entity),
  createProcedure,
  updateProcedure(entity, { set }),
  deleteProcedure(entity, ({ touched }, id) => void touched.push({ entity: "task", id })),
];
