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
