import type { WorkstationTransition } from "@monster-realtime/client/protocol";
import type { PendingQuery } from "postgres";
import { type DbRow, runSql, type Statements } from "../../kernel/statements.ts";

/** A transition with its id in the audit trail. */
export interface TransitionRow extends Omit<WorkstationTransition, "at"> {
  id: number;
  at: Date;
}

/** Selects transitions. `beforeId`: only those with a lower id; null: from the newest. */
export interface TransitionQuery {
  workstationId: string;
  before: string | null;
  beforeId: number | null;
  limit: number;
}

/** The recorded transitions, newest first. */
export function askForTransitions(
  sql: Statements,
  { workstationId, before, beforeId, limit }: TransitionQuery,
): PendingQuery<(TransitionRow & DbRow)[]> {
  return runSql<TransitionRow & DbRow>(
    sql,
    `SELECT event.id::float8 AS id, at, after ->> 'presence' AS kind, before ->> 'presence' AS before, after ->> 'reason' AS reason,
      after ->> 'nodeId' AS "nodeId", after ->> 'connectionId' AS "connectionId", (after -> 'revision')::float8 AS revision
    FROM audit_events event
    WHERE row_id = $1 AND entity = 'workstations' AND operation = 'presence'
      AND ($2::timestamptz IS NULL OR at < $2) AND ($3::float8 IS NULL OR event.id < $3::float8::bigint)
    ORDER BY event.id DESC LIMIT $4`,
    [workstationId, before, beforeId, limit],
  );
}
