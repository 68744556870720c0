import { PENDING_PREFIX } from "../kernel/email-address.ts";
import { runSql, type Statements } from "../kernel/statements.ts";
import { nextTaskBatch, type TaskPlace } from "./task-batch.ts";

/**
 * Removes at most about `limit` rows. A step keeps nothing between calls, because its transaction may be repeated: the
 * result has the step that continues after the commit.
 */
export type Step = (sql: Statements, limit: number) => Promise<StepResult>;
export interface StepResult {
  removed: number;
  /** The rest of this step in this pass; null: it finds nothing further. */
  next: Step | null;
}

/** The tables whose rows a deletion marks. */
export type MarkedEntity = keyof typeof STEPS;

/**
 * The steps of one pass over everything below a marked row, children before their parents, so that no statement
 * cascades without bound. Another pass follows one that removed rows, because other programs may write rows at the same
 * time.
 */
export function stepsOf(entity: MarkedEntity, id: string): Step[] {
  return STEPS[entity](id);
}

const STEPS = {
  organizations: (id: string) => [projectsOfOrganization(id), ...belowOrganization(id)],
  projects: belowProject,
  tasks: (id: string) => BELOW_TASK.map((table) => deleting(table, "task_id = $1", id)).concat(dependenciesOn(id)),
  project_repositories: (id: string) => [
    clearing("tasks", "project_repository_id", "project_repository_id = $1", id),
    ...belowClones(`${OF_REPOSITORY} = $1`, id),
    deleting("workstation_repositories", "project_repository_id = $1", id),
  ],
  workstation_repositories: (id: string) => belowClones("workstation_repositories.id = $1", id),
  git_worktrees: (id: string) => [clearing("agent_sessions", "worktree_id", "worktree_id = $1", id)],
  users: (id: string) => [
    deleting("organization_memberships", "user_id = $1", id),
    clearing("organization_memberships", "invited_by", "invited_by = $1", id),
  ],
  workflow_templates: (id: string) => [clearing("tasks", "workflow_template_id", "workflow_template_id = $1", id)],
  actors: (id: string) => [clearing("tasks", "actor_id", "actor_id = $1", id)],
  agents: (id: string) => [
    clearing("tasks", "active_agent_id", "active_agent_id = $1", id),
    deleting("task_agents", "agent_id = $1", id),
  ],
} as const satisfies Record<string, (id: string) => Step[]>;

export const MARKED_ENTITIES = Object.keys(STEPS);

/** Tables whose rows name one task. */
const BELOW_TASK = ["agent_sessions", "task_dependencies", "task_agents", "task_attachments"] as const;
const OF_REPOSITORY = "workstation_repositories.project_repository_id";

const dependenciesOn = (id: string): Step => deleting("task_dependencies", "depends_on_task_id = $1", id);

function belowProject(id: string): Step[] {
  return [
    tasksOfProject(id),
    ...belowClones(`${OF_REPOSITORY} IN (SELECT id FROM project_repositories WHERE project_id = $1)`, id),
    deleting(
      "workstation_repositories",
      "project_repository_id IN (SELECT id FROM project_repositories WHERE project_id = $1)",
      id,
    ),
    ...["project_repositories", "workflow_templates", "actors", "project_workstations"].map((table) =>
      deleting(table, "project_id = $1", id),
    ),
  ];
}

/** Worktrees of clones; the sessions that worked in them stay, without the worktree. */
function belowClones(condition: string, id: string): Step[] {
  const ofClones = `workstation_repository_id IN (SELECT id FROM workstation_repositories WHERE ${condition})`;
  const inWorktrees = `worktree_id IN (SELECT id FROM git_worktrees WHERE ${ofClones})`;
  return [clearing("agent_sessions", "worktree_id", inWorktrees, id), deleting("git_worktrees", ofClones, id)];
}

function belowOrganization(id: string): Step[] {
  const ofWorkstations = "workstation_id IN (SELECT id FROM workstations WHERE organization_id = $1)";
  const ofAgents = `agent_id IN (SELECT id FROM agents WHERE ${ofWorkstations})`;
  return [
    deleting("agent_sessions", ofAgents, id),
    deleting("task_agents", ofAgents, id),
    deleting("agents", ofWorkstations, id),
    deleting("workstations", "organization_id = $1", id),
    deletingMemberships(id),
    deletingQueue(id),
    deletingTrail(id),
  ];
}

/**
 * The projects of an organization, one after the other, each with everything below it; `steps` are left of one of them.
 */
function projectsOfOrganization(organizationId: string, steps: readonly Step[] = []): Step {
  return async (sql, limit) => {
    const [step, ...further] = steps.length > 0 ? steps : await stepsOfNextProject(sql, organizationId);
    if (!step) return { removed: 0, next: null };
    const { removed, next } = await step(sql, limit);
    return { removed, next: projectsOfOrganization(organizationId, next ? [next, ...further] : further) };
  };
}

async function stepsOfNextProject(sql: Statements, organizationId: string): Promise<Step[]> {
  const [project] = await runSql<{ id: string }>(
    sql,
    "SELECT id FROM projects WHERE organization_id = $1 LIMIT 1",
    [organizationId],
    true,
  );
  return project ? [...belowProject(project.id), deleting("projects", "id = $1", project.id)] : [];
}

/** A project's tasks with everything below them, along an index, so that no batch reads past what others removed. */
function tasksOfProject(projectId: string, after: TaskPlace | null = null): Step {
  return async (sql, limit) => {
    const { ids, last } = await nextTaskBatch(sql, projectId, after, limit);
    if (ids.length === 0) return { removed: 0, next: null };
    const below = await removeBelowTasks(sql, ids, limit);
    if (below >= limit) return { removed: below, next: tasksOfProject(projectId, after) };
    const tasks = await removed(sql, "DELETE FROM tasks WHERE id = ANY($1::text[])", [ids]);
    return { removed: below + tasks, next: tasksOfProject(projectId, last) };
  };
}

async function removeBelowTasks(sql: Statements, ids: readonly string[], limit: number): Promise<number> {
  let count = 0;
  const conditions = [...BELOW_TASK.map((table) => [table, "task_id"]), ["task_dependencies", "depends_on_task_id"]];
  for (const [table, column] of conditions) {
    if (count >= limit) return count;
    const text = `DELETE FROM ${table} WHERE id IN (SELECT id FROM ${table} WHERE ${column} = ANY($1::text[]) LIMIT $2)`;
    count += await removed(sql, text, [ids, limit - count]);
  }
  return count;
}

function deleting(table: string, condition: string, id: string): Step {
  const text = `DELETE FROM ${table} WHERE id IN (SELECT id FROM ${table} WHERE ${condition} LIMIT $2)`;
  return repeated((sql, limit) => removed(sql, text, [id, limit]));
}

/** An organization's trail, along its index, because removed events stay in it until a vacuum. */
function deletingTrail(organizationId: string, after = "0"): Step {
  return async (sql, limit) => {
    const gone = await runSql<{ id: string }>(
      sql,
      `DELETE FROM audit_events WHERE id = ANY (ARRAY(SELECT id FROM audit_events
        WHERE organization_id = $1 AND id > $3::bigint ORDER BY organization_id, id LIMIT $2)) RETURNING id::text`,
      [organizationId, limit, after],
      true,
    );
    const last = gone.reduce((largest, { id }) => (BigInt(id) > BigInt(largest) ? id : largest), after);
    return { removed: gone.length, next: gone.length < limit ? null : deletingTrail(organizationId, last) };
  };
}

/** Changes that wait to be published: no subscriber is left. */
function deletingQueue(organizationId: string): Step {
  const waiting = "SELECT ctid FROM feed_queue WHERE lane IN (0, 1) AND organization_id = $1 LIMIT $2";
  const text = `DELETE FROM feed_queue WHERE ctid = ANY (ARRAY(${waiting}))`;
  return repeated((sql, limit) => removed(sql, text, [organizationId, limit]));
}

/** Rows that stay, and name a row that is removed: their change is an event like any other. */
function clearing(table: string, column: string, condition: string, id: string): Step {
  // Locked in the order of the ids, as other writers of several rows do; only the batch is sorted.
  const batch = `SELECT id FROM ${table} WHERE ${condition} LIMIT $2`;
  const text = `WITH locked AS MATERIALIZED (
      SELECT id FROM ${table} WHERE id = ANY (ARRAY(${batch})) ORDER BY id FOR NO KEY UPDATE)
    UPDATE ${table} SET ${column} = NULL FROM locked WHERE ${table}.id = locked.id`;
  return repeated((sql, limit) => removed(sql, text, [id, limit]));
}

/** With the last invitation of an address goes the user that holds its place, and the user's trail. */
function deletingMemberships(organizationId: string): Step {
  return repeated(async (sql, limit) => {
    const gone = await runSql<{ userId: string }>(
      sql,
      `DELETE FROM organization_memberships WHERE id IN (
        SELECT id FROM organization_memberships WHERE organization_id = $1 LIMIT $2) RETURNING user_id AS "userId"`,
      [organizationId, limit],
      true,
    );
    const placeholders = await runSql<{ id: string }>(
      sql,
      `DELETE FROM users WHERE id = ANY($1::text[]) AND monster_auth_user_id LIKE '${PENDING_PREFIX}%'
        AND NOT EXISTS (SELECT FROM organization_memberships WHERE user_id = users.id) RETURNING id`,
      [gone.map(({ userId }) => userId)],
      true,
    );
    // Their events hold the invited addresses, and belong to no organization.
    await runSql(
      sql,
      "DELETE FROM audit_events WHERE row_id = ANY($1::text[])",
      [placeholders.map(({ id }) => id)],
      true,
    );
    return gone.length;
  });
}

/** One statement, repeated until it removes less than it may. */
function repeated(remove: (sql: Statements, limit: number) => Promise<number>): Step {
  const step: Step = async (sql, limit) => {
    const count = await remove(sql, limit);
    return { removed: count, next: count < limit ? null : step };
  };
  return step;
}

async function removed(sql: Statements, text: string, values: readonly unknown[]): Promise<number> {
  return (await runSql(sql, text, values, true)).count;
}
