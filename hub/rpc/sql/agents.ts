import type { Statements } from "../../statements.ts";
import { ask } from "../../statements.ts";

/** Keeps everybody else from changing, renaming or deleting a workstation's agents until the transaction ends. */
export async function lockAgentsOf(sql: Statements, workstationId: string): Promise<void> {
  await ask(sql, "SELECT FROM agents WHERE workstation_id = $1 ORDER BY id FOR NO KEY UPDATE", [workstationId]);
}
