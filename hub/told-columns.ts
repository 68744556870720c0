import { shownTimestamp, timeOf } from "./kernel/timestamps.ts";
import { fieldOf } from "./naming.ts";

/** A test holds the schema to it: these are all timestamps, and no others are. */
const TIMESTAMP_COLUMN = /_at$/;

const isTimestamp = (column: string, value: unknown): value is string =>
  typeof value === "string" && TIMESTAMP_COLUMN.test(column);

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
      .map(([column, value]) => [fieldOf(column), isTimestamp(column, value) ? shownTimestamp(value) : value]),
  );
}

/** The first timestamp that `timeOf` can't read; null: there is none. */
export function noTime(columns: Readonly<Record<string, unknown>>): string | null {
  const found = Object.entries(columns).find(([column, value]) => isTimestamp(column, value) && timeOf(value) === null);
  return found?.[0] ?? null;
}
