import { notFound, parent, refuseInactiveProject } from "../crud.ts";
import type { WriteContext } from "../procedure.ts";
import type { Located } from "../sql/rows.ts";
import type { EntityTable } from "../sql/table.ts";
import { agents } from "./agents.ts";
import { tasks } from "./tasks.ts";

/** The common definition of tables whose rows belong to a task. Callers that can read the task can read these rows. */
export function ofTask(table: string) {
  return {
    joins: `JOIN tasks ON tasks.id = ${table}.task_id
      JOIN projects ON projects.id = tasks.project_id
      JOIN organizations ON organizations.id = projects.organization_id`,
    visible: "tasks.deleted_at IS NULL AND projects.deleted_at IS NULL AND organizations.deleted_at IS NULL",
    projectId: "projects.id",
    workstationId: null,
    readableBy: tasks.rows.table.readableBy,
    inProject: tasks.rows.table.inProject,
    sort: [{ field: "id" }],
  } satisfies Partial<EntityTable<object>>;
}

/** Locks the task of a new row. Throws `not_found`, or `conflict` if the task's project is not active. */
export async function taskOf(context: WriteContext, taskId: string): Promise<Located> {
  const task = await parent(tasks, context, taskId);
  refuseInactiveProject(task);
  return task;
}

/** Locks an agent of the task's organization. Throws `not_found`. */
export async function agentFor(context: WriteContext, task: Located, agentId: string): Promise<Located> {
  const agent = await parent(agents, context, agentId);
  // The agent belongs to another organization of the caller, not to the task's.
  if (agent.organizationId !== task.organizationId) throw notFound("agent");
  return agent;
}
