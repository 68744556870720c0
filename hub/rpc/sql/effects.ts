import { newId } from "../../ids.ts";
import type { Statements } from "../../statements.ts";
import { ask } from "../../statements.ts";
import { endSessionsOf } from "../../tasks/sessions.ts";

/** Makes a user the owner of an organization. */
export async function addOwner(sql: Statements, organizationId: string, userId: string): Promise<void> {
  await ask(
    sql,
    `INSERT INTO organization_memberships (id, organization_id, user_id, role, joined_at)
    VALUES ($1, $2, $3, 'owner', now())`,
    [`orgmem_${newId()}`, organizationId, userId],
  );
}

/** Hides an organization and everything in it; its slug stays taken. */
export async function endOrganization(sql: Statements, id: string): Promise<void> {
  await ask(sql, "UPDATE organizations SET deleted_at = now() WHERE id = $1", [id]);
}

/** Hides a workstation, ends its token, and ends what its agents were at. */
export async function endWorkstation(sql: Statements, id: string): Promise<void> {
  await ask(
    sql,
    `UPDATE workstations SET deleted_at = now(), registration_token = NULL, status = 'offline' WHERE id = $1`,
    [id],
  );
  await endSessionsOf(sql, id);
}
