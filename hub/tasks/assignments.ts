import type { Assignment } from "@monster-realtime/client/protocol";
import type { PendingQuery } from "postgres";
import { runSql, type Statements } from "../kernel/statements.ts";

/** Publications omit values larger than this, as publications of changes do. */
const MAX_VALUE_BYTES = 8_192;

/** Selects open assignments: those of these sessions, or all of a workstation. */
export type AssignmentQuery = { sessionIds: readonly string[] } | { workstationId: string };

export interface AssignmentRow {
  assignment: Omit<Assignment, "since" | "omitted">;
  since: Date;
}

/** The open assignments, oldest first. `assignmentOf` converts a row to the type that callers receive. */
export function findAssignments(sql: Statements, query: AssignmentQuery): PendingQuery<AssignmentRow[]> {
  const [condition, value] =
    "sessionIds" in query
      ? ["s.id = ANY($1::text[])", [...query.sessionIds]]
      : ["a.workstation_id = $1", query.workstationId];
  return runSql<AssignmentRow>(
    sql,
    `SELECT s.started_at AS since, jsonb_build_object(
      'id', s.id, 'status', s.status, 'organizationId', p.organization_id, 'workstationId', a.workstation_id,
      'agent', jsonb_build_object('id', a.id, 'type', a.type, 'name', a.name),
      'mode', coalesce(s.mode, t.mode),
      'task', jsonb_build_object('id', t.id, 'title', t.title, 'description', t.description, 'refinedTitle', t.refined_title,
        'refinedDescription', t.refined_description, 'priority', t.priority, 'planSolution', t.plan_solution,
        'planSpec', t.plan_spec, 'planSteps', t.plan_steps, 'reviewInstructions', t.review_instructions,
        'reviewFeedback', t.review_feedback, 'reviewAttachments', t.review_attachments),
      'project', jsonb_build_object('id', p.id, 'name', p.name, 'memory', p.memory),
      'actor', CASE WHEN actor.id IS NOT NULL THEN jsonb_build_object('id', actor.id, 'name', actor.name,
        'systemPrompt', actor.system_prompt, 'methodology', actor.methodology, 'focusAreas', actor.focus_areas) END,
      'repository', CASE WHEN r.id IS NOT NULL THEN jsonb_build_object('id', r.id, 'name', r.name, 'githubUrl', r.github_url,
        'defaultBranch', r.default_branch) END,
      'branch', CASE WHEN r.id IS NOT NULL THEN coalesce(t.target_branch, r.default_branch) END,
      'worktreeId', s.worktree_id, 'recoveryAttempts', s.recovery_attempts) AS assignment
    FROM tasks t JOIN agent_sessions s ON s.id = t.last_agent_session_id AND s.task_id = t.id
    JOIN agents a ON a.id = s.agent_id AND a.id = t.active_agent_id
    JOIN projects p ON p.id = t.project_id
    LEFT JOIN actors actor ON actor.id = coalesce(t.actor_id, p.default_actor_id) AND actor.deleted_at IS NULL
    LEFT JOIN project_repositories r ON r.id = t.project_repository_id AND r.deleted_at IS NULL
    WHERE ${condition} AND s.status IN ('starting', 'active') AND t.agent_session_status <> 'INACTIVE'
    ORDER BY s.started_at, s.id`,
    [value],
  );
}

export function assignmentOf({ assignment, since }: AssignmentRow): Assignment {
  return { ...assignment, since: since.toISOString(), omitted: [] };
}

/** The assignment of an open session. */
export async function assignmentBy(sql: Statements, sessionId: string): Promise<Assignment> {
  const [row] = await findAssignments(sql, { sessionIds: [sessionId] });
  if (!row) throw new Error(`The open session ${sessionId} has no assignment.`);
  return assignmentOf(row);
}

/** The assignment as it is published. Large values are null, and `omitted` names them. */
export function publishable(assignment: Assignment): Assignment {
  const omitted: string[] = [];
  const small = <Part extends object | null>(path: string, part: Part): Part => {
    if (part === null) return part;
    const fields = Object.entries(part).map(([name, value]) => {
      const isLarge = Buffer.byteLength(JSON.stringify(value) ?? "") > MAX_VALUE_BYTES;
      if (isLarge) omitted.push(`${path}.${name}`);
      return [name, isLarge ? null : value];
    });
    return Object.fromEntries(fields) as Part;
  };
  const { task, project, actor } = assignment;
  const parts = { task: small("task", task), project: small("project", project), actor: small("actor", actor) };
  return { ...assignment, ...parts, omitted };
}
