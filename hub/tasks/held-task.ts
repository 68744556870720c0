import type { Task } from "@monster-realtime/client/protocol";
import { runSql, type Transaction } from "../kernel/statements.ts";
import { announce, lockBoard, placeIn } from "./order.ts";
import { type NextState, nextState, type WorkflowEvent, type WorkflowState } from "./workflow.ts";

/** A locked task, with the fields that its sessions and its workflow need. */
export interface HeldTask extends WorkflowState {
  id: string;
  projectId: string;
  ready: boolean;
  agentSessionStatus: Task["agentSessionStatus"];
  activeAgentId: string | null;
  /** The task's current or last session. */
  sessionId: string | null;
  repositoryId: string | null;
  projectStatus: string;
}

/** Locks the project's board and the task. Null if the task no longer exists, or has just moved to another project. */
export async function holdTask(sql: Transaction, id: string): Promise<HeldTask | null> {
  const [seen] = await runSql<{ projectId: string }>(
    sql,
    `SELECT project_id AS "projectId" FROM tasks WHERE id = $1`,
    [id],
    true,
  );
  if (!seen) return null;
  await lockBoard(sql, seen.projectId);
  return lockTask(sql, id, seen.projectId);
}

/** Locks only the task: for changes that keep its position on the board. */
async function lockTask(sql: Transaction, id: string, projectId: string): Promise<HeldTask | null> {
  const [task] = await runSql<HeldTask>(
    sql,
    `SELECT tasks.id, tasks.project_id AS "projectId", tasks.ready, tasks.list, tasks.mode, tasks.loops,
      tasks.workflow_step AS step, tasks.agent_session_status AS "agentSessionStatus",
      tasks.active_agent_id AS "activeAgentId", tasks.last_agent_session_id AS "sessionId",
      tasks.project_repository_id AS "repositoryId", projects.status AS "projectStatus", ${EFFECTIVE_WORKFLOW} AS workflow
    FROM tasks JOIN projects ON projects.id = tasks.project_id JOIN organizations ON organizations.id = projects.organization_id
    WHERE tasks.id = $1 AND tasks.project_id = $2 FOR NO KEY UPDATE OF tasks`,
    [id, projectId],
    true,
  );
  return task ?? null;
}

/**
 * SQL: the workflow of the task, else of its template, its project or its organization. The query joins `projects` and
 * `organizations`. A subquery, because COALESCE evaluates it only for tasks without their own workflow.
 */
export const EFFECTIVE_WORKFLOW = `coalesce(tasks.workflow_config, (SELECT mode_sequence FROM workflow_templates WHERE workflow_templates.deleted_at IS NULL AND workflow_templates.id =
  coalesce(tasks.workflow_template_id, projects.default_workflow_template_id, organizations.default_workflow_template_id)))`;

/** Whether this is the current session of a task. */
export async function isTaskIn(sql: Transaction, sessionId: string): Promise<boolean> {
  const [found] = await runSql(
    sql,
    `SELECT 1 FROM tasks JOIN agent_sessions s ON s.task_id = tasks.id
    WHERE s.id = $1 AND tasks.last_agent_session_id = s.id AND tasks.agent_session_status <> 'INACTIVE'`,
    [sessionId],
    true,
  );
  return found !== undefined;
}

/** Further columns of `tasks` to change. Missing ones keep their values. */
export interface TaskChange {
  agentSessionStatus?: "INACTIVE" | "PUSHING" | "ACTIVE";
  activeAgentId?: string | null;
  ready?: boolean;
  lastError?: string | null;
  reviewInstructions?: string;
  reviewFeedback?: string | null;
  reviewAttachments?: readonly unknown[] | null;
}

const COLUMNS: Readonly<Record<keyof TaskChange, string>> = {
  agentSessionStatus: "agent_session_status = %::text::task_session_status",
  activeAgentId: "active_agent_id = %::text",
  ready: "ready = %::boolean",
  lastError: "last_error = %::text",
  reviewInstructions: "review_instructions = %::text",
  reviewFeedback: "review_feedback = %::text",
  reviewAttachments: "review_attachments = %::text::jsonb",
};

/**
 * Applies a workflow event to the task: moves it to the end of its new list and applies `change`. Returns false and
 * changes nothing if the workflow does not allow the event. The caller has locked the board.
 */
export async function advance(
  sql: Transaction,
  task: HeldTask,
  event: WorkflowEvent,
  change: TaskChange = {},
): Promise<boolean> {
  const next = nextState(task, event);
  if (!next) return false;
  const { projectId } = task;
  const isMoved = next.list !== task.list;
  const placed = isMoved ? await placeIn(sql, { projectId, list: next.list }, null, task.id) : null;
  await write(sql, task.id, next, placed?.listOrder ?? null, change);
  if (placed) await announce(sql, { projectId, list: next.list }, placed.renumbered);
  return true;
}

async function write(
  sql: Transaction,
  id: string,
  { list, mode, step }: NextState,
  listOrder: number | null,
  change: TaskChange,
): Promise<void> {
  const values: unknown[] = [id, list, mode, step, listOrder];
  const changes = (Object.keys(change) as (keyof TaskChange)[]).map((name) => {
    const value = change[name];
    values.push(name === "reviewAttachments" && value ? JSON.stringify(value) : value);
    return COLUMNS[name].replace("%", `$${values.length}`);
  });
  await runSql(
    sql,
    `UPDATE tasks SET ${[
      "list = $2::text::task_list",
      "mode = $3::text::task_mode",
      "workflow_step = $4::smallint",
      "list_order = coalesce($5::float8::numeric(10, 5), list_order)",
      ...changes,
    ].join(", ")} WHERE id = $1`,
    values,
  );
}
