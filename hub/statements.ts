import type { ISql, PendingQuery, Row } from "postgres";

/** Statements of a pool or of one transaction. */
export type Statements = Pick<ISql, "unsafe">;
export type Found = Row;

/** Runs a text whose placeholders stand for `values`. */
export function ask<Result extends Found = Found>(
  sql: Statements,
  text: string,
  values: readonly unknown[] = [],
  prepare = false,
): PendingQuery<Result[]> {
  return sql.unsafe<Result[]>(text, values as never[], { prepare });
}
