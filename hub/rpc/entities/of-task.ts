import { notFound, parent, refuseInactiveProject } from "../crud.ts";
import type { WriteContext } from "../procedure.ts";
import type { Located } from "../sql/rows.ts";
import type { EntityTable } from "../sql/table.ts";
import { agents } from "./agents.ts";
import { tasks } from "./tasks.ts";

/** What tables have in common whose rows belong to a task: whoever sees the task sees them. */
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

/** The task that a row to be made belongs to, locked. Throws `not_found`, or `conflict` where its project is not active. */
export async function taskOf(context: WriteContext, taskId: string): Promise<Located> {
  const task = await parent(tasks, context, taskId);
  refuseInactiveProject(task);
  return task;
}

/** An agent of the task's organization, locked. Throws `not_found`. */
export async function agentFor(context: WriteContext, task: Located, agentId: string): Promise<Located> {
  const agent = await parent(agents, context, agentId);
  // Of an organization that the caller is in as well, but not of the task's.
  if (agent.organizationId !== task.organizationId) throw notFound("agent");
  return agent;
}
