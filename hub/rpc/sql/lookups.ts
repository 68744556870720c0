import { runSql, type Statements } from "../../kernel/statements.ts";

/** The id of a workstation's clone of a repository, or null. Does not check the caller's access. */
export async function cloneOf(
  sql: Statements,
  workstationId: string,
  projectRepositoryId: string,
): Promise<string | null> {
  const [row] = await runSql<{ id: string }>(
    sql,
    "SELECT id FROM workstation_repositories WHERE workstation_id = $1 AND project_repository_id = $2",
    [workstationId, projectRepositoryId],
  );
  return row?.id ?? null;
}

/** The id of the attachment of a workstation to a project, or null. */
export async function attachmentOf(sql: Statements, projectId: string, workstationId: string): Promise<string | null> {
  const [row] = await runSql(sql, `SELECT id FROM project_workstations WHERE project_id = $1 AND workstation_id = $2`, [
    projectId,
    workstationId,
  ]);
  return row ? String(row.id) : null;
}

/** Locks a workstation's agents: no other transaction changes or deletes them until this one ends. */
export async function lockAgentsOf(sql: Statements, workstationId: string): Promise<void> {
  await runSql(sql, "SELECT FROM agents WHERE workstation_id = $1 ORDER BY id FOR NO KEY UPDATE", [workstationId]);
}
