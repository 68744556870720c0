import type { Role } from "@monster-realtime/client/protocol";
import type { UserPrincipal } from "../../auth/principal.ts";
import { invitationLock, PENDING_PREFIX } from "../../kernel/email-address.ts";
import { newId } from "../../kernel/ids.ts";
import type { Statements } from "../../kernel/statements.ts";
import { runSql } from "../../kernel/statements.ts";

/** The fields of a membership that rules need. */
export interface MembershipState {
  id: string;
  role: Role;
  status: string;
}
export interface NewInvitation {
  organizationId: string;
  email: string;
  role: Role;
  invitedBy: string | null;
}

/**
 * A user's current role in an organization, locked until the transaction ends. Null if the user is no active member.
 */
export async function activeRole(sql: Statements, organizationId: string, userId: string): Promise<Role | null> {
  const [row] = await runSql(
    sql,
    `SELECT role FROM organization_memberships
    WHERE organization_id = $1 AND user_id = $2 AND status = 'active' FOR SHARE`,
    [organizationId, userId],
  );
  return row ? (row.role as Role) : null;
}

/** Whether a user is an active member of this organization now, in any role. */
export async function isActiveMember(sql: Statements, organizationId: string, userId: string): Promise<boolean> {
  const found = await runSql(
    sql,
    `SELECT FROM organization_memberships membership
    JOIN organizations ON organizations.id = membership.organization_id AND organizations.deleted_at IS NULL
    WHERE membership.organization_id = $1 AND membership.user_id = $2 AND membership.status = 'active'`,
    [organizationId, userId],
  );
  return found.length > 0;
}

/** Role and status of a membership that the transaction has locked. */
export async function membershipStateOf(sql: Statements, id: string): Promise<MembershipState | null> {
  const [row] = await runSql(sql, "SELECT id, role, status FROM organization_memberships WHERE id = $1", [id]);
  return row ? (row as MembershipState) : null;
}

/** The id of a user's membership in an organization, in any status. */
export async function membershipOf(sql: Statements, organizationId: string, userId: string): Promise<string | null> {
  const [row] = await runSql(
    sql,
    "SELECT id FROM organization_memberships WHERE organization_id = $1 AND user_id = $2",
    [organizationId, userId],
  );
  return row ? String(row.id) : null;
}

/** Locks this address: no other transaction changes its placeholder user or its invitations. */
export async function lockAddress(sql: Statements, email: string): Promise<void> {
  await runSql(sql, "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", [invitationLock(email)]);
}

/**
 * Locks the invitation of this address to an organization. Matches the invited address, not the users' stored
 * addresses: these are not verified, and an invitation must not go to a user who merely claims the address.
 */
export async function invitationOf(
  sql: Statements,
  organizationId: string,
  email: string,
): Promise<MembershipState | null> {
  const [row] = await runSql(
    sql,
    `SELECT id, role, status FROM organization_memberships
    WHERE organization_id = $1 AND invited_email = $2 AND status = 'invited' FOR NO KEY UPDATE`,
    [organizationId, email],
  );
  return row ? (row as MembershipState) : null;
}

/** Whether an active or suspended member of the organization has this canonical address. */
export async function isMembersAddress(sql: Statements, organizationId: string, email: string): Promise<boolean> {
  const found = await runSql(
    sql,
    `SELECT FROM organization_memberships membership JOIN users ON users.id = membership.user_id
    WHERE membership.organization_id = $1 AND membership.status <> 'invited' AND lower(users.email) = $2 LIMIT 1`,
    [organizationId, email],
  );
  return found.length > 0;
}

/** Whether the organization has at least `most` open invitations. */
export async function hasOpenInvitations(sql: Statements, organizationId: string, most: number): Promise<boolean> {
  const [counted] = await runSql<{ open: number }>(
    sql,
    `SELECT count(*)::int AS open FROM (
      SELECT FROM organization_memberships WHERE organization_id = $1 AND status = 'invited' LIMIT $2) counted`,
    [organizationId, most],
  );
  return counted?.open === most;
}

/** Invites an address, which the caller has locked, and returns the membership's id. */
export async function invite(
  sql: Statements,
  { organizationId, email, role, invitedBy }: NewInvitation,
): Promise<string> {
  const id = `orgmem_${newId()}`;
  await runSql(
    sql,
    `INSERT INTO organization_memberships
      (id, organization_id, user_id, role, status, invited_by, invited_at, invited_email)
    VALUES ($1, $2, $3, $4, 'invited', $5, now(), $6)`,
    [id, organizationId, await pendingUser(sql, email), role, invitedBy, email],
  );
  return id;
}

/** Renews an invitation, possibly with another role. */
export async function renewInvitation(
  sql: Statements,
  id: string,
  { role, invitedBy }: Pick<NewInvitation, "role" | "invitedBy">,
): Promise<void> {
  await runSql(
    sql,
    "UPDATE organization_memberships SET role = $2, invited_by = $3, invited_at = now() WHERE id = $1",
    [id, role, invitedBy],
  );
}

export async function activate(sql: Statements, id: string): Promise<void> {
  await runSql(sql, "UPDATE organization_memberships SET status = 'active', joined_at = now() WHERE id = $1", [id]);
}

/** Removes a membership. With the last invitation of an address, its placeholder user is removed too. */
export async function endMembership(sql: Statements, id: string): Promise<void> {
  const [pending] = await runSql(
    sql,
    `SELECT users.id, users.email FROM organization_memberships membership JOIN users ON users.id = membership.user_id
    WHERE membership.id = $1 AND users.monster_auth_user_id LIKE '${PENDING_PREFIX}%'`,
    [id],
  );
  if (pending) await lockAddress(sql, String(pending.email));
  await runSql(sql, "DELETE FROM organization_memberships WHERE id = $1", [id]);
  if (pending) await removeVacantPlace(sql, String(pending.id));
}

async function removeVacantPlace(sql: Statements, pendingId: string): Promise<void> {
  await runSql(
    sql,
    `DELETE FROM users WHERE id = $1 AND monster_auth_user_id LIKE '${PENDING_PREFIX}%'
      AND NOT EXISTS (SELECT FROM organization_memberships WHERE user_id = $1)`,
    [pendingId],
  );
}

/**
 * The id of the user's membership in an organization, in any status. If there is none, an invitation of the user's
 * proven address is linked to the user, still as an invitation. Null: there is neither.
 */
export async function ownMembership(
  sql: Statements,
  organizationId: string,
  { id, provenAddress }: Pick<UserPrincipal, "id" | "provenAddress">,
): Promise<string | null> {
  const known = await membershipOf(sql, organizationId, id);
  if (known !== null || provenAddress === undefined) return known;
  await lockAddress(sql, provenAddress);
  const [found] = await runSql<{ id: string; pendingId: string }>(
    sql,
    `UPDATE organization_memberships invited SET user_id = $3 FROM users pending
    WHERE invited.organization_id = $1 AND invited.invited_email = $2 AND invited.status = 'invited'
      AND pending.id = invited.user_id AND pending.monster_auth_user_id LIKE '${PENDING_PREFIX}%'
    RETURNING invited.id, pending.id AS "pendingId"`,
    [organizationId, provenAddress, id],
  );
  if (found) await removeVacantPlace(sql, found.pendingId);
  return found?.id ?? null;
}

async function pendingUser(sql: Statements, email: string): Promise<string> {
  const [known] = await runSql(
    sql,
    `SELECT id FROM users WHERE email = $1 AND monster_auth_user_id LIKE '${PENDING_PREFIX}%'
    ORDER BY id LIMIT 1 FOR KEY SHARE`,
    [email],
  );
  if (known) return String(known.id);
  const id = `user_${newId()}`;
  await runSql(sql, "INSERT INTO users (id, monster_auth_user_id, email) VALUES ($1, $2, $3)", [
    id,
    `${PENDING_PREFIX}${newId()}`,
    email,
  ]);
  return id;
}
