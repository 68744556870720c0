import type { Sql, TransactionSql } from "postgres";

/** What must still hold when Postgres executes a statement that only a serving hub may issue. */
export interface FencingToken {
  /** The term in which this hub serves the database. */
  term: number;
  /** The identity of the database that the hub's keys in Redis carry; null without Redis. */
  identity: string | null;
}

/** The current fencing token; null: the hub does not serve. */
export type Fence = () => FencingToken | null;

/**
 * The SQL condition that a token is valid when the statement arrives: no other hub has begun a term, and the database's
 * identity has not been renewed. Without a token it is always true.
 */
export function isValid(sql: Sql | TransactionSql, token: FencingToken | undefined) {
  const { term = null, identity = null } = token ?? {};
  return sql`(${token === undefined} OR (EXISTS (SELECT FROM serving_hub WHERE term = ${term}::float8)
    AND (${identity}::text IS NULL OR EXISTS (SELECT FROM hub_identity WHERE value = ${identity}::text))))`;
}

/** The same for statements that are texts: a condition with placeholders from `$first` on, and their values. */
export function validText(token: FencingToken | undefined, first: number): { text: string; values: unknown[] } {
  const [term, identity] = [`$${first}::float8`, `$${first + 1}::text`];
  return {
    text: `(${token === undefined} OR (EXISTS (SELECT FROM serving_hub WHERE term = ${term})
      AND (${identity} IS NULL OR EXISTS (SELECT FROM hub_identity WHERE value = ${identity}))))`,
    values: [token?.term ?? null, token?.identity ?? null],
  };
}
