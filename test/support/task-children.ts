import { ulid } from "ulid";
import type { Database } from "../../hub/store/database.ts";
import type { Tenant } from "./rpc-world.ts";

/** One row of each kind that belongs to a tenant's task, and the other task that it depends on. */
export interface TaskChildren {
  otherTaskId: string;
  dependencyId: string;
  taskAgentId: string;
  taskAttachmentId: string;
  sessionId: string;
}

export const childIds = (): TaskChildren => ({
  otherTaskId: `task_${ulid()}`,
  dependencyId: `taskdep_${ulid()}`,
  taskAgentId: `taskagent_${ulid()}`,
  taskAttachmentId: `attach_${ulid()}`,
  sessionId: `session_${ulid()}`,
});

export async function withChildren(database: Database, tenant: Tenant): Promise<Tenant & TaskChildren> {
  const children = childIds();
  const { projectId, taskId, agentId } = tenant;
  const { otherTaskId, dependencyId, taskAgentId, taskAttachmentId, sessionId } = children;
  await database.transaction("test", async (sql) => {
    await sql`INSERT INTO tasks (id, project_id, title) VALUES (${otherTaskId}, ${projectId}, 'Other')`;
    await sql`INSERT INTO task_dependencies (id, task_id, depends_on_task_id) VALUES (${dependencyId}, ${taskId}, ${otherTaskId})`;
    await sql`INSERT INTO task_agents (id, task_id, agent_id) VALUES (${taskAgentId}, ${taskId}, ${agentId})`;
    await sql`INSERT INTO task_attachments (id, task_id, filename, original_filename, storage_path)
      VALUES (${taskAttachmentId}, ${taskId}, 'a.png', 'A.png', 'k')`;
    await sql`INSERT INTO agent_sessions (id, task_id, agent_id) VALUES (${sessionId}, ${taskId}, ${agentId})`;
  });
  return { ...tenant, ...children };
}
