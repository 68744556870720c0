import type { ISql, PendingQuery, Row } from "postgres";

/** Statements of a pool or of one transaction. */
export type Statements = Pick<ISql, "unsafe">;
export type Found = Row;

/**
 * Runs a text whose placeholders stand for `values`. Prepared, a connection keeps its plan: good for what asks by key, bad
 * for joins of tables that were empty when it was made, which it goes on reading from end to end as they grow.
 */
export function ask<Result extends Found = Found>(
  sql: Statements,
  text: string,
  values: readonly unknown[] = [],
  prepare = false,
): PendingQuery<Result[]> {
  return sql.unsafe<Result[]>(text, values as never[], { prepare });
}
