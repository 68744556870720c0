import { ask, type Statements } from "../../statements.ts";

/** A connection that is ended, for the audit trail. */
export interface KickedConnection {
  id: string;
  nodeId: string;
  kind: string;
  principalId: string;
  /** By which organization it was seen; a workstation's is looked up. */
  organizationId: string | null;
  reason: string | null;
}

/**
 * Writes down who ended whose connection, in the caller's transaction. No row of a table changes, so it is no news for the
 * change feed.
 */
export async function recordKick(sql: Statements, kicked: KickedConnection): Promise<void> {
  const { id, nodeId, kind, principalId, organizationId, reason } = kicked;
  const before = JSON.stringify({ principal: `${kind}:${principalId}`, node_id: nodeId });
  await ask(
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
