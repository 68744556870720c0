import type { ISql, PendingQuery, Row, TransactionSql } from "postgres";

/** Statements of a pool or of one transaction. */
export type Statements = Pick<ISql, "unsafe">;

declare const isOfTransaction: unique symbol;
/**
 * Statements of one transaction. Only `Database.transaction` creates them. Code that holds a connection must never wait
 * for another one of the pool: code in a transaction takes this type, and no `Database` or `Queries`. Neither the pool's
 * statements nor pools are assignable to it.
 */
export type Transaction = TransactionSql & { readonly [isOfTransaction]: true };
export type DbRow = Row;

/**
 * Runs a text with placeholders for `values`. If prepared, a connection keeps its plan: good for queries by key, bad for
 * joins of tables that were empty at planning, because the plan still scans them when they have grown.
 */
export function runSql<Result extends DbRow = DbRow>(
  sql: Statements,
  text: string,
  values: readonly unknown[] = [],
  prepare = false,
): PendingQuery<Result[]> {
  return sql.unsafe<Result[]>(text, values as never[], { prepare });
}
