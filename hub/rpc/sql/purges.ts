import type { Purge } from "@monster-realtime/client/protocol";
import type { PendingQuery } from "postgres";
import { fieldOf } from "../../kernel/public-fields.ts";
import { runSql, type Statements } from "../../kernel/statements.ts";

/** Selects marks of these organizations, or of all (null), and the marks of these deleted organizations. */
export interface PurgeQuery {
  organizationIds: readonly string[] | null;
  deletedIds: readonly string[];
  organizationId: string | null;
  entity: string | null;
  /** The id before the page; null for the first page. */
  after: string | null;
  limit: number;
}

export interface PurgeRow extends Omit<Purge, "deletedAt" | "restorableUntil" | "startedAt"> {
  deletedAt: Date;
  restorableUntil: Date | null;
  startedAt: Date | null;
}

export function askForPurges(sql: Statements, query: PurgeQuery): PendingQuery<PurgeRow[]> {
  const { organizationIds, deletedIds, organizationId, entity, after, limit } = query;
  return runSql<PurgeRow>(
    sql,
    `SELECT entity, row_id AS id, name, organization_id AS "organizationId", project_id AS "projectId",
      principal AS "deletedBy", marked_at AS "deletedAt", started_at AS "startedAt", removed::float8 AS removed,
      greatest(0, expected - removed)::float8 AS remaining, last_error AS error,
      CASE WHEN started_at IS NULL AND entity IN ('organizations', 'projects') THEN due_at END AS "restorableUntil",
      CASE WHEN last_error IS NOT NULL THEN 'failed' WHEN started_at IS NOT NULL THEN 'removing'
        WHEN entity IN ('organizations', 'projects') THEN 'restorable' ELSE 'waiting' END AS state
    FROM purges
    WHERE ($1::text[] IS NULL OR organization_id = ANY($1) OR (entity = 'organizations' AND row_id = ANY($2::text[])))
      AND ($3::text IS NULL OR organization_id = $3) AND ($4::text IS NULL OR entity = $4)
      AND ($5::text IS NULL OR row_id > $5)
    ORDER BY row_id LIMIT $6`,
    [organizationIds && [...organizationIds], [...deletedIds], organizationId, entity, after, limit],
  );
}

/** The row as callers receive it. Only operators receive the causes of failures. */
export function purgeOf(
  { entity, error, deletedAt, restorableUntil, startedAt, ...row }: PurgeRow,
  isOperator: boolean,
): Purge {
  return {
    entity: fieldOf(entity),
    ...row,
    error: isOperator ? error : null,
    deletedAt: deletedAt.toISOString(),
    restorableUntil: restorableUntil?.toISOString() ?? null,
    startedAt: startedAt?.toISOString() ?? null,
  };
}
