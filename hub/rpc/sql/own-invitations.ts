import type { OwnInvitation } from "@monster-realtime/client/protocol";
import type { PendingQuery } from "postgres";
import { PENDING_PREFIX } from "../../kernel/email-address.ts";
import type { Statements } from "../../kernel/statements.ts";
import { runSql } from "../../kernel/statements.ts";

/** Selects invitations to a user's id, or to a proven address, whose placeholder users are `pendingIds`. */
export interface OwnInvitationQuery {
  userId: string;
  address: string | null;
  pendingIds: readonly string[];
  /** The id of the invitation before the page; null for the first page. */
  after: string | null;
  limit: number;
}

/** The placeholder user of this address until its owner first connects: one or none. */
export function pendingUsers(sql: Statements, address: string): PendingQuery<{ id: string }[]> {
  return runSql(sql, `SELECT id FROM users WHERE email = $1 AND monster_auth_user_id LIKE '${PENDING_PREFIX}%'`, [
    address,
  ]);
}

/**
 * Reads a page by id, newest first. Ids sort by the time of the first invitation, so renewing one does not move it.
 * Writes nothing, so no trace reveals who owns an invited address. Each arm reads an index up to the end of the page,
 * so the cost depends on the person's invitations, not on those of an organization.
 */
export function askForInvitations(
  sql: Statements,
  { userId, address, pendingIds, after, limit }: OwnInvitationQuery,
): PendingQuery<(Omit<OwnInvitation, "invitedAt"> & { invitedAt: Date | null })[]> {
  return runSql(
    sql,
    `${arm("invited.user_id = $1")} UNION ALL ${arm(`invited.user_id = ANY($2::text[]) AND invited.invited_email = $3
      AND NOT EXISTS (SELECT FROM organization_memberships known
        WHERE known.organization_id = invited.organization_id AND known.user_id = $1)`)}
    ORDER BY "membershipId" DESC LIMIT $5`,
    [userId, [...pendingIds], address, after, limit],
  );
}

const arm = (condition: string): string => `(
  SELECT invited.id AS "membershipId", organization.id AS "organizationId", organization.name AS "organizationName",
    coalesce(invited.invited_email, person.email) AS email, invited.role, invited.invited_by AS "invitedBy",
    invited.invited_at AS "invitedAt"
  FROM organization_memberships invited JOIN users person ON person.id = invited.user_id
  JOIN organizations organization ON organization.id = invited.organization_id AND organization.deleted_at IS NULL
  WHERE invited.status = 'invited' AND ${condition} AND ($4::text IS NULL OR invited.id < $4)
  ORDER BY invited.id DESC LIMIT $5)`;
