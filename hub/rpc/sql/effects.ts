import { newId } from "../../kernel/ids.ts";
import type { Transaction } from "../../kernel/statements.ts";
import { runSql } from "../../kernel/statements.ts";
import { endSessionsOf } from "../../tasks/sessions.ts";

/** Makes a user the owner of an organization. */
export async function addOwner(sql: Transaction, organizationId: string, userId: string): Promise<void> {
  await runSql(
    sql,
    `INSERT INTO organization_memberships (id, organization_id, user_id, role, joined_at)
    VALUES ($1, $2, $3, 'owner', now())`,
    [`orgmem_${newId()}`, organizationId, userId],
  );
}

/** Marks a workstation as deleted, revokes its token, and ends its agents' sessions. */
export async function endWorkstation(sql: Transaction, id: string): Promise<void> {
  await runSql(
    sql,
    `UPDATE workstations SET deleted_at = now(), registration_token = NULL, status = 'offline' WHERE id = $1`,
    [id],
  );
  await endSessionsOf(sql, id);
}
