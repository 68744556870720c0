import { fieldOf } from "./naming.ts";

/** A test holds the schema to it: these are all timestamps, and no others are. */
const TIMESTAMP_COLUMN = /_at$/;

/**
 * A row's columns, as the audit trail keeps them, as RPC answers tell them: fields in camelCase, timestamps ISO 8601 with
 * milliseconds; without those that are `hidden`.
 */
export function toldColumns(
  columns: Readonly<Record<string, unknown>>,
  hidden: ReadonlySet<string>,
): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(columns)
      .filter(([column]) => !hidden.has(column))
      .map(([column, value]) => [fieldOf(column), TIMESTAMP_COLUMN.test(column) ? timestamp(value) : value]),
  );
}

/** Postgres writes `2026-01-01T00:00:00+00:00`, with as many decimals as there are. */
function timestamp(value: unknown): unknown {
  return typeof value === "string" ? new Date(value).toISOString() : value;
}
