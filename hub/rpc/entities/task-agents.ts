import type { RpcParams, TaskAgent, TaskAgentCreate, TaskAgentSet } from "@monster-realtime/client/protocol";
import { z } from "zod";
import { crud, type Entity } from "../crud.ts";
import * as field from "../fields.ts";
import { RIGHTS } from "../rights.ts";
import { EntityRows } from "../sql/rows.ts";
import type { EntityTable } from "../sql/table.ts";
import { agentFor, ofTask, taskOf } from "./of-task.ts";

const MAX_PRIORITY = 1_000_000;

const base = ofTask("task_agents");
const table: EntityTable<TaskAgent> = {
  ...base,
  table: "task_agents",
  columns: { id: "plain", taskId: "plain", agentId: "plain", priority: "plain", createdAt: "timestamp" },
  joins: `${base.joins}
    JOIN agents ON agents.id = task_agents.agent_id
    JOIN workstations ON workstations.id = agents.workstation_id`,
  // Hides agents that were deleted or whose workstation was deleted: they can't take tasks.
  visible: `${base.visible} AND agents.deleted_at IS NULL AND workstations.deleted_at IS NULL`,
};

const settings = { priority: z.int().min(0).max(MAX_PRIORITY) };

const entity: Entity<TaskAgent, NonNullable<RpcParams<"taskAgents.list">["filter"]>, TaskAgentCreate, TaskAgentSet> = {
  name: "taskAgents",
  noun: "task agent",
  idPrefix: "taskagent",
  rows: new EntityRows(table),
  rights: RIGHTS.taskAgents,
  schemas: {
    list: field.paramsOf<"taskAgents.list">()(
      field.listParams({ taskId: field.id("task"), agentId: field.id("agent") }),
    ),
    get: field.paramsOf<"taskAgents.get">()(field.idParams("taskagent")),
    create: field.paramsOf<"taskAgents.create">()(
      z.strictObject({ taskId: field.id("task"), agentId: field.id("agent"), ...field.optional(settings) }),
    ),
    update: field.paramsOf<"taskAgents.update">()(field.unversionedUpdateParams("taskagent", settings)),
    delete: field.paramsOf<"taskAgents.delete">()(field.idParams("taskagent")),
  },
  async placeOf(context, { taskId, agentId }) {
    const task = await taskOf(context, taskId);
    await agentFor(context, task, agentId);
    return task;
  },
  touched: () => [],
};

export const taskAgents = { ...entity, procedures: crud(entity) };
