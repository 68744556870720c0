import type { Sql, TransactionSql } from "postgres";
import { runSql, type Statements } from "../kernel/statements.ts";
import { type FencingToken, isValid } from "../store/fence.ts";
import { MARKED_ENTITIES, type MarkedEntity } from "./steps.ts";

/** A marked row whose removal a node has claimed. */
export interface Claim {
  entity: MarkedEntity;
  rowId: string;
  /** The organization's id; empty: it belongs to none. */
  organization: string;
  /** Rows removed so far, over all nodes and starts. */
  removed: number;
  isNew: boolean;
}

/** Numbers of marked rows, by state. */
export interface MarkedCounts {
  /** Can still be restored. */
  waiting: number;
  due: number;
  failed: number;
}

/** Delay after a failure. Other marks come first, then this one is retried. */
const RETRY_AFTER_S = 30;
/** A node that was killed is followed by another one after this time. */
const HELD_FOR_S = 15;

/** Marks that one transaction gives due times. With more, other work would wait for the rows and the connection. */
const DUE_LIMIT = 1_000;
/** Larger numbers of marks count as this one: counting them all would take longer the more are left. */
const COUNT_LIMIT = 10_000;

/** Organizations and projects wait for their restoration. The trigger gives other marks their due times. */
export function setDueTimes(sql: Statements, days: number) {
  return runSql(
    sql,
    `UPDATE purges SET due_at = due.at FROM (
      SELECT entity, row_id, marked_at + $1::float8 * interval '1 day' AS at FROM purges
      WHERE started_at IS NULL AND entity IN ('organizations', 'projects')
        AND due_at IS DISTINCT FROM (marked_at + $1::float8 * interval '1 day')::timestamptz(3)
      LIMIT ${DUE_LIMIT} FOR UPDATE SKIP LOCKED) AS due
    WHERE (purges.entity, purges.row_id) = (due.entity, due.row_id)`,
    [days],
    true,
  );
}

/** How many rows are marked, each number up to 10,000. */
export async function countMarked(sql: Statements): Promise<MarkedCounts> {
  const [counts] = await runSql<{ waiting: number; due: number; failed: number }>(
    sql,
    `SELECT ${countOf("due_at > statement_timestamp()")} AS waiting, ${countOf("due_at <= statement_timestamp()")} AS due,
      ${countOf("last_error IS NOT NULL")} AS failed`,
    [],
    true,
  );
  return counts ?? { waiting: 0, due: 0, failed: 0 };
}

const countOf = (condition: string) =>
  `(SELECT count(*)::int FROM (SELECT FROM purges WHERE ${condition} LIMIT ${COUNT_LIMIT}) AS counted)`;

/**
 * Planner settings of a transaction that counts or claims marks. Right after many marks are made, the statistics are
 * those of an empty table, and the planner would read or sort all marks.
 */
export const byIndexAlone = (sql: TransactionSql) =>
  sql`set_config('enable_seqscan', 'off', true), set_config('enable_bitmapscan', 'off', true), set_config('enable_sort', 'off', true)`;

/** Where the turn is: organizations in the order of their ids; an empty id: marks that belong to none, of users. */
export interface TurnPlace {
  organization: string;
  /** The turn of this organization is over. */
  isOver: boolean;
}

export interface Claimant {
  nodeId: string;
  token: FencingToken | undefined;
  days: number;
}

/**
 * Claims the due mark of the organization in turn, or of the next organization that has one, that was made or worked on
 * least recently. Null: no mark is due from there on, another node purges, or this hub does not serve. Marks of tables
 * that only a newer hub knows are left to that hub. The caller holds the advisory lock, so that only one node claims at
 * a time.
 */
export async function claimDue(
  sql: TransactionSql,
  { nodeId, token, days }: Claimant,
  { organization, isOver }: TurnPlace,
): Promise<Claim | null> {
  const [claim] = await sql<Claim[]>`
    WITH RECURSIVE in_turn AS (
      (SELECT coalesce(organization_id, '') AS organization FROM purges
        WHERE coalesce(organization_id, '') ${isOver ? sql`>` : sql`>=`} ${organization} ORDER BY 1 LIMIT 1)
      UNION ALL
      SELECT further.organization FROM in_turn, LATERAL (
        SELECT coalesce(organization_id, '') AS organization FROM purges
        WHERE coalesce(organization_id, '') > in_turn.organization ORDER BY 1 LIMIT 1) AS further
    ), next AS (
      SELECT due.* FROM in_turn, LATERAL (
        SELECT entity, row_id, started_at FROM purges
        WHERE coalesce(organization_id, '') = in_turn.organization AND coalesce(held_until, due_at) <= statement_timestamp()
          AND entity = ANY(${MARKED_ENTITIES}::text[])
          AND (started_at IS NOT NULL OR entity NOT IN ('organizations', 'projects')
            OR marked_at + ${days}::float8 * interval '1 day' <= statement_timestamp())
          AND (failed_at IS NULL OR failed_at < statement_timestamp() - ${RETRY_AFTER_S} * interval '1 second')
        ORDER BY coalesce(held_until, due_at) LIMIT 1 FOR UPDATE SKIP LOCKED) AS due
      WHERE ${isValid(sql, token)}
        AND NOT EXISTS (SELECT FROM purges other WHERE other.held_until > statement_timestamp() AND other.node_id <> ${nodeId})
      LIMIT 1)
    UPDATE purges SET node_id = ${nodeId}, held_until = clock_timestamp() + ${HELD_FOR_S} * interval '1 second',
      started_at = coalesce(purges.started_at, clock_timestamp())
    FROM next WHERE (purges.entity, purges.row_id) = (next.entity, next.row_id)
    RETURNING purges.entity, purges.row_id AS "rowId", coalesce(purges.organization_id, '') AS organization,
      purges.removed::float8 AS removed, next.started_at IS NULL AS "isNew"`;
  return claim ?? null;
}

/**
 * Keeps the claim for further work, in the transaction of a batch. False: another node has it, or this hub does not
 * serve.
 */
export async function holdClaim(
  sql: TransactionSql,
  { entity, rowId }: Pick<Claim, "entity" | "rowId">,
  { nodeId, token }: { nodeId: string; token: FencingToken | undefined },
): Promise<boolean> {
  const held = await sql`
    UPDATE purges SET held_until = clock_timestamp() + ${HELD_FOR_S} * interval '1 second'
    WHERE entity = ${entity} AND row_id = ${rowId} AND node_id = ${nodeId} AND ${isValid(sql, token)} RETURNING 1`;
  return held.length > 0;
}

/** Adds a batch's rows to the mark's progress, and clears its failure. */
export function countRemoved(sql: Statements, { entity, rowId }: Pick<Claim, "entity" | "rowId">, removed: number) {
  return runSql(
    sql,
    "UPDATE purges SET removed = removed + $3, last_error = NULL, failed_at = NULL WHERE entity = $1 AND row_id = $2",
    [entity, rowId, removed],
    true,
  );
}

/** Releases the claim: the next turn goes to another mark. */
export function release(sql: Statements, { entity, rowId }: Pick<Claim, "entity" | "rowId">, error: string | null) {
  return runSql(
    sql,
    `UPDATE purges SET held_until = clock_timestamp(), last_error = coalesce($3, last_error),
      failed_at = CASE WHEN $3::text IS NULL THEN failed_at ELSE clock_timestamp() END
    WHERE entity = $1 AND row_id = $2`,
    [entity, rowId, error],
  );
}

/** Removes the marked row itself, below which nothing is left, and its mark, which is also there if the row is not. */
export async function removeRoot(sql: Statements, { entity, rowId }: Pick<Claim, "entity" | "rowId">): Promise<number> {
  const { count } = await runSql(sql, `DELETE FROM ${entity} WHERE id = $1 AND deleted_at IS NOT NULL`, [rowId]);
  await runSql(sql, "DELETE FROM purges WHERE entity = $1 AND row_id = $2", [entity, rowId]);
  return count;
}

const COUNTED: Readonly<Record<string, string>> = {
  organizations: "SELECT FROM audit_events WHERE organization_id = $1",
  projects: "SELECT FROM tasks WHERE project_id = $1",
};

/**
 * Writes down an estimate of the rows to remove, by the planner's statistics: counting would take as long as a batch.
 */
export async function estimate(sql: Sql | TransactionSql, { entity, rowId }: Claim): Promise<void> {
  const counted = COUNTED[entity];
  if (counted === undefined) return;
  const [plan] = await runSql<{ "QUERY PLAN": [{ Plan: { "Plan Rows": number } }] }>(
    sql,
    `EXPLAIN (FORMAT JSON) ${counted.replace("$1", `'${rowId}'`)}`,
  );
  const rows = plan?.["QUERY PLAN"][0].Plan["Plan Rows"] ?? 0;
  await runSql(sql, "UPDATE purges SET expected = $3 WHERE entity = $1 AND row_id = $2", [entity, rowId, rows]);
}
