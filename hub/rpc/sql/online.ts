import type { PendingQuery } from "postgres";
import { runSql, type Statements } from "../../kernel/statements.ts";

/** Points in time, one minute apart except for the last one. */
export interface OnlineQuery {
  organizationId: string;
  /** Milliseconds since 1970 of the first point. */
  first: number;
  points: number;
  /** Time of the last point. */
  now: number;
}

/**
 * The number of online workstations of an organization at each of these points, in order. No rows if the organization
 * does not exist.
 *
 * A machine is online from a transition to `online` or `suspect` (whose row says online) until its next transition.
 * Before its first transition in the range, its state is that transition's previous state. Now, its state is its row's
 * status. Each online period adds one at its first point and subtracts one at the first point after it, so the points
 * are running sums.
 */
export function askForOnline(
  sql: Statements,
  { organizationId, first, points, now }: OnlineQuery,
): PendingQuery<{ online: number }[]> {
  return runSql<{ online: number }>(
    sql,
    `WITH machines AS (
      SELECT id, status = 'online' AND deleted_at IS NULL AS online, deleted_at FROM workstations WHERE organization_id = $1
    ), steps AS (
      SELECT row_id AS id, at, after ->> 'presence' <> 'offline' AS online, before ->> 'presence' IN ('online', 'suspect') AS was_online,
        row_number() OVER machine AS number, lead(at) OVER machine AS next
      FROM audit_events WHERE organization_id = $1 AND operation = 'presence' AND at >= to_timestamp($2::float8 / 1000)
      WINDOW machine AS (PARTITION BY row_id ORDER BY (after -> 'revision')::bigint, id)
    ), stretches AS (
      SELECT '-infinity'::timestamptz AS since, at AS until FROM steps WHERE number = 1 AND was_online
      UNION ALL
      SELECT at, CASE WHEN next IS NOT NULL THEN greatest(at, next) WHEN NOT machines.online THEN coalesce(deleted_at, to_timestamp($4::float8 / 1000)) END
      FROM steps JOIN machines USING (id) WHERE steps.online
      UNION ALL
      SELECT CASE WHEN last.id IS NULL THEN '-infinity' ELSE to_timestamp($4::float8 / 1000) END, NULL
      FROM machines LEFT JOIN (SELECT id, online FROM steps WHERE next IS NULL) last USING (id)
      WHERE machines.online AND last.online IS NOT TRUE
    ), changes AS (
      SELECT since AS at, 1 AS change FROM stretches UNION ALL SELECT until, -1 FROM stretches WHERE until IS NOT NULL
    ), at_points AS (
      SELECT CASE WHEN at <= to_timestamp($2::float8 / 1000) THEN 0
        ELSE least($3::int - 1, ceil(extract(epoch FROM at - to_timestamp($2::float8 / 1000)) / 60))::int END AS point, sum(change) AS change
      FROM changes GROUP BY 1
    )
    SELECT (sum(coalesce(change, 0)) OVER (ORDER BY point))::int AS online
    FROM generate_series(0, $3::int - 1) AS point LEFT JOIN at_points USING (point)
    WHERE EXISTS (SELECT FROM organizations WHERE id = $1 AND deleted_at IS NULL)
    ORDER BY point`,
    [organizationId, first, points, now],
  );
}
