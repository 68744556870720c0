import type { ISql, PendingQuery, Row, TransactionSql } from "postgres";

/** Statements of a pool or of one transaction. */
export type Statements = Pick<ISql, "unsafe">;

declare const isOfTransaction: unique symbol;
/**
 * Statements of one transaction, which `Database.transaction` makes alone. What holds a connection must never wait for another
 * one of the pool: code in a transaction takes this type, and no `Database` or `Queries`. Statements of the pool are not
 * assignable to it, and neither are pools to statements.
 */
export type Transaction = TransactionSql & { readonly [isOfTransaction]: true };
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
