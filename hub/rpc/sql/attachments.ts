import type { Statements } from "../../kernel/statements.ts";
import { runSql } from "../../kernel/statements.ts";

/** The id of the attachment of a workstation to a project, or null. */
export async function attachmentOf(sql: Statements, projectId: string, workstationId: string): Promise<string | null> {
  const [row] = await runSql(sql, `SELECT id FROM project_workstations WHERE project_id = $1 AND workstation_id = $2`, [
    projectId,
    workstationId,
  ]);
  return row ? String(row.id) : null;
}
