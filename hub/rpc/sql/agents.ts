import type { Statements } from "../../kernel/statements.ts";
import { runSql } from "../../kernel/statements.ts";

/** Locks a workstation's agents: no other transaction changes or deletes them until this one ends. */
export async function lockAgentsOf(sql: Statements, workstationId: string): Promise<void> {
  await runSql(sql, "SELECT FROM agents WHERE workstation_id = $1 ORDER BY id FOR NO KEY UPDATE", [workstationId]);
}
