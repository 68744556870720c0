import type { RefusedChange } from "@monster-realtime/client/protocol";
import type { PendingQuery } from "postgres";
import { fieldOf } from "../../kernel/public-fields.ts";
import { runSql, type Statements, type Transaction } from "../../kernel/statements.ts";

export interface RefusedQuery {
  /** Only changes of these organizations. Null: all changes, also those outside of organizations. */
  organizationIds: readonly string[] | null;
  /** The id before the page. */
  after: number;
  limit: number;
}

type RefusedRow = Omit<RefusedChange, "refusedAt"> & { refusedAt: Date };

export function askForRefused(sql: Statements, query: RefusedQuery): PendingQuery<RefusedRow[]> {
  const { organizationIds, after, limit } = query;
  return runSql<RefusedRow>(
    sql,
    `SELECT f.id::float8 AS id, f.organization_id AS "organizationId", e.project_id AS "projectId", e.entity, e.row_id AS "rowId",
      ${OPERATION} AS operation, f.code, f.reason, f.refused_at AS "refusedAt"
    FROM feed_refused f JOIN audit_events e USING (id)
    WHERE f.id > $1::bigint AND ($2::text[] IS NULL OR f.organization_id = ANY($2)) ORDER BY f.id LIMIT $3`,
    [after, organizationIds && [...organizationIds], limit],
  );
}

/** SQL: the operation. A republished change that was refused again keeps its original operation. */
const OPERATION = "CASE WHEN e.operation = 'republished' THEN e.before ->> 'operation' ELSE e.operation::text END";

/** The row as callers receive it. Only operators receive the reason. */
export function refusedChangeOf({ entity, reason, refusedAt, ...row }: RefusedRow, isOperator: boolean): RefusedChange {
  return { ...row, entity: fieldOf(entity), reason: isOperator ? reason : null, refusedAt: refusedAt.toISOString() };
}

/** Locks a refused change and returns its place, or null. */
export async function lockRefused(sql: Transaction, id: number) {
  const [row] = await runSql<{
    organizationId: string | null;
    projectId: string | null;
    entity: string;
    rowId: string;
  }>(
    sql,
    `SELECT f.organization_id AS "organizationId", e.project_id AS "projectId", e.entity, e.row_id AS "rowId"
    FROM feed_refused f JOIN audit_events e USING (id) WHERE f.id = $1::bigint FOR UPDATE OF f`,
    [id],
  );
  return row ?? null;
}

/** Table names come only from triggers. */
const TABLE = /^[a-z_]+$/;

/**
 * Queues the current row of a refused change for publication, as an event of the caller. Locks the row, so that the new
 * event's id is higher than those of all earlier changes of the row. Returns the event's id.
 */
export async function republish(sql: Transaction, id: number, { entity, rowId }: { entity: string; rowId: string }) {
  if (!TABLE.test(entity)) throw new Error(`The audit event ${id} has an invalid table name: ${entity}`);
  const [now] = await runSql<{ row: string }>(
    sql,
    `SELECT (to_jsonb(t) - ARRAY['registration_token', 'environment_vars'])::text AS row FROM ${entity} t WHERE id = $1 FOR NO KEY UPDATE`,
    [rowId],
  );
  const [event] = await runSql<{ id: number }>(
    sql,
    `WITH refused AS (DELETE FROM feed_refused WHERE id = $1::bigint)
    INSERT INTO audit_events (principal, organization_id, project_id, task_id, workstation_id, user_id, entity, row_id, operation,
      before, after, lane)
    SELECT current_setting('hub.principal'), e.organization_id, coalesce(s.project_id, e.project_id), coalesce(s.task_id, e.task_id),
      coalesce(s.workstation_id, e.workstation_id), coalesce(s.user_id, e.user_id), e.entity, e.row_id, 'republished',
      jsonb_build_object('event', e.id, 'operation', CASE WHEN $2::text IS NULL THEN 'deleted' ELSE ${OPERATION} END),
      CASE WHEN e.operation = 'reordered' THEN e.after || '{"tasks": null}' ELSE $2::text::jsonb END, e.lane
    FROM audit_events e LEFT JOIN audit_scope s ON s.entity = e.entity AND s.row_id = e.row_id WHERE e.id = $1::bigint
    RETURNING id::float8 AS id`,
    [id, now?.row ?? null],
  );
  if (!event) throw new Error(`The audit event ${id} disappeared while it was locked.`);
  return event.id;
}
