import type { PendingQuery } from "postgres";
import { runSql, type Statements, type Transaction } from "../../kernel/statements.ts";
import { cancelSessions } from "../../tasks/sessions.ts";

/** The largest number of rows that a deletion removes or changes itself. A row with more references is marked. */
const MAX_DIRECT_ROWS = 200;

/** Table → the rows that Postgres removes or changes when it deletes one of the table's rows. */
const CONCERNED = {
  users: ["organization_memberships WHERE user_id = $1", "organization_memberships WHERE invited_by = $1"],
  tasks: [
    "agent_sessions WHERE task_id = $1",
    "task_dependencies WHERE task_id = $1",
    "task_dependencies WHERE depends_on_task_id = $1",
    "task_agents WHERE task_id = $1",
    "task_attachments WHERE task_id = $1",
  ],
  project_repositories: [
    "tasks WHERE project_repository_id = $1",
    "workstation_repositories WHERE project_repository_id = $1",
    "git_worktrees WHERE workstation_repository_id IN (SELECT id FROM workstation_repositories WHERE project_repository_id = $1)",
    `agent_sessions WHERE worktree_id IN (SELECT g.id FROM git_worktrees g
      JOIN workstation_repositories w ON w.id = g.workstation_repository_id WHERE w.project_repository_id = $1)`,
  ],
  workstation_repositories: [
    "git_worktrees WHERE workstation_repository_id = $1",
    "agent_sessions WHERE worktree_id IN (SELECT id FROM git_worktrees WHERE workstation_repository_id = $1)",
  ],
  git_worktrees: ["agent_sessions WHERE worktree_id = $1"],
  workflow_templates: ["tasks WHERE workflow_template_id = $1"],
  actors: ["tasks WHERE actor_id = $1"],
  agents: ["task_agents WHERE agent_id = $1"],
} as const satisfies Record<string, readonly string[]>;

/** The deletion of a row: directly if it has few references, by a mark if it has many. */
export function removing(table: keyof typeof CONCERNED): (sql: Transaction, id: string) => Promise<void> {
  const few = CONCERNED[table]
    .map((rows) => `(SELECT 1 FROM ${rows} LIMIT ${MAX_DIRECT_ROWS + 1})`)
    .join(" UNION ALL ");
  return async (sql, id) => {
    const [counted] = await runSql<{ rows: number }>(
      sql,
      `SELECT count(*)::int AS rows FROM (SELECT FROM (${few}) AS concerned LIMIT ${MAX_DIRECT_ROWS + 1}) AS counted`,
      [id],
    );
    if ((counted?.rows ?? 0) <= MAX_DIRECT_ROWS || (await isRefused(sql, table, id))) {
      await runSql(sql, `DELETE FROM ${table} WHERE id = $1`, [id]);
      return;
    }
    if (table === "tasks") await cancelSessions(sql, "id = $1", id);
    // Deleted in this transaction, because the database may reject it: the last owner of an organization stays.
    if (table === "users") await runSql(sql, "DELETE FROM organization_memberships WHERE user_id = $1", [id]);
    const further = table === "tasks" ? ", ready = false" : "";
    await runSql(sql, `UPDATE ${table} SET deleted_at = now()${further} WHERE id = $1`, [id]);
  };
}

/** Whether the database rejects the deletion: an agent with sessions can't be deleted. */
async function isRefused(sql: Transaction, table: string, id: string): Promise<boolean> {
  if (table !== "agents") return false;
  const [session] = await runSql(sql, "SELECT FROM agent_sessions WHERE agent_id = $1 LIMIT 1", [id]);
  return session !== undefined;
}

/** Marks an organization and everything in it as deleted. Its slug stays reserved for a restoration. */
export async function markOrganization(sql: Transaction, id: string): Promise<void> {
  await runSql(sql, "UPDATE organizations SET deleted_at = now() WHERE id = $1", [id]);
}

/** Marks a project as deleted, which frees its slug, and cancels its open sessions. */
export async function markProject(sql: Transaction, id: string): Promise<void> {
  await cancelSessions(sql, "project_id = $1", id);
  await runSql(sql, "UPDATE projects SET deleted_at = now() WHERE id = $1", [id]);
}

/** Removes the mark. False: the removal has started, or there is no mark. */
export async function unmark(sql: Transaction, table: "organizations" | "projects", id: string): Promise<boolean> {
  // Locks the mark before the row, so that the purge does not claim a row that is being restored.
  const [mark] = await runSql<{ started: boolean }>(
    sql,
    "SELECT started_at IS NOT NULL AS started FROM purges WHERE entity = $1 AND row_id = $2 FOR UPDATE",
    [table, id],
  );
  if (!mark || mark.started) return false;
  await runSql(sql, `UPDATE ${table} SET deleted_at = NULL WHERE id = $1`, [id]);
  return true;
}

/** The deleted organizations that this user owns, limited to the clients of the user's token. */
export function ownDeletedOrganizations(
  sql: Statements,
  { id, clientIds }: { id: string; clientIds: readonly string[] | null },
): PendingQuery<{ id: string }[]> {
  return runSql<{ id: string }>(
    sql,
    `SELECT organization.id FROM organization_memberships membership
      JOIN organizations organization ON organization.id = membership.organization_id AND organization.deleted_at IS NOT NULL
    WHERE membership.user_id = $1 AND membership.status = 'active' AND membership.role = 'owner'
      AND ($2::text[] IS NULL OR organization.monster_auth_client_id = ANY($2))`,
    [id, clientIds && [...clientIds]],
  );
}
