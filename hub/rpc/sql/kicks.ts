import { runSql, type Statements } from "../../kernel/statements.ts";

/** A disconnected connection, for the audit trail. */
export interface KickedConnection {
  id: string;
  nodeId: string;
  kind: string;
  principalId: string;
  /** The organization in whose view it was found. The statement reads a workstation's organization from its row. */
  organizationId: string | null;
  reason: string | null;
}

/**
 * Records the disconnect in the audit trail, in the caller's transaction. No row changes, so the change feed publishes
 * nothing.
 */
export async function recordKick(sql: Statements, kicked: KickedConnection): Promise<void> {
  const { id, nodeId, kind, principalId, organizationId, reason } = kicked;
  const before = JSON.stringify({ principal: `${kind}:${principalId}`, node_id: nodeId });
  await runSql(
    sql,
    `INSERT INTO audit_events (principal, organization_id, workstation_id, user_id, entity, row_id, operation, before, after)
    VALUES (current_setting('hub.principal'),
      coalesce((SELECT organization_id FROM workstations WHERE id = $1), $2), $1, $3,
      'connections', $4, 'deleted', $5::text::jsonb, $6::text::jsonb)`,
    [
      kind === "workstation" ? principalId : null,
      organizationId,
      kind === "user" ? principalId : null,
      id,
      before,
      JSON.stringify({ reason }),
    ],
  );
}
