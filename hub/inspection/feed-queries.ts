import type { PendingQuery } from "postgres";
import { runSql, type Statements } from "../kernel/statements.ts";

export interface LagRow {
  organizationId: string | null;
  lagMs: number;
}

/** The organizations whose changes wait longest, among these or all (null). Each queue costs one step in an index. */
export function askForLags(
  sql: Statements,
  organizationIds: readonly string[] | null,
  limit: number,
): PendingQuery<LagRow[]> {
  return runSql<LagRow>(
    sql,
    `WITH RECURSIVE found (lane, organization_id) AS (
      SELECT lane, (SELECT organization_id FROM feed_queue q WHERE q.lane = lanes.lane ORDER BY organization_id LIMIT 1)
      FROM (VALUES (0::smallint), (1::smallint)) AS lanes (lane) WHERE $1::text[] IS NULL
      UNION ALL
      SELECT lane, (SELECT q.organization_id FROM feed_queue q WHERE q.lane = found.lane AND q.organization_id > found.organization_id
        ORDER BY organization_id LIMIT 1)
      FROM found WHERE organization_id IS NOT NULL
    ), queues AS (
      SELECT lane, organization_id FROM found WHERE organization_id IS NOT NULL
      UNION ALL
      SELECT lane::smallint, id FROM unnest($1::text[]) AS id CROSS JOIN generate_series(0, 1) AS lane
    )
    SELECT nullif(organization_id, '') AS "organizationId",
      (extract(epoch FROM max(clock_timestamp() - oldest.at)) * 1000)::float8 AS "lagMs"
    FROM queues CROSS JOIN LATERAL (
      SELECT e.at FROM (SELECT next_id FROM feed_queue q WHERE q.lane = queues.lane AND q.organization_id = queues.organization_id
        ORDER BY next_id LIMIT 1) AS first JOIN audit_events e ON e.id = first.next_id) AS oldest
    GROUP BY organization_id ORDER BY 2 DESC LIMIT $2`,
    [organizationIds && [...organizationIds], limit],
  );
}

/** How many changes are set aside. */
export function countRefused(sql: Statements): PendingQuery<{ count: number }[]> {
  return runSql(sql, "SELECT count(*)::int AS count FROM feed_refused");
}
