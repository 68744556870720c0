import { shownTimestamp, timeOf } from "./timestamps.ts";

/** A test checks it against the schema: these columns, and no others, are timestamps. */
const TIMESTAMP_COLUMN = /_at$/;

const isTimestamp = (column: string, value: unknown): value is string =>
  typeof value === "string" && TIMESTAMP_COLUMN.test(column);

/**
 * Converts a row's columns, as the audit trail stores them, to the fields of RPC answers: names in camelCase, timestamps in
 * ISO 8601 with milliseconds, without the `hidden` ones.
 */
export function toPublicFields(
  columns: Readonly<Record<string, unknown>>,
  hidden: ReadonlySet<string>,
): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(columns)
      .filter(([column]) => !hidden.has(column))
      .map(([column, value]) => [fieldOf(column), isTimestamp(column, value) ? shownTimestamp(value) : value]),
  );
}

/** The first timestamp column that `timeOf` can't parse; null: there is none. */
export function firstInvalidTimestamp(columns: Readonly<Record<string, unknown>>): string | null {
  const found = Object.entries(columns).find(([column, value]) => isTimestamp(column, value) && timeOf(value) === null);
  return found?.[0] ?? null;
}

/** The column's name for a field. */
export function columnOf(field: string): string {
  return field.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

const MAX_KNOWN = 1_000;
const known = new Map<string, string>();

/** The field's name for a column. Names are cached: every published change names its columns. */
export function fieldOf(column: string): string {
  const field = known.get(column) ?? column.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
  if (known.size < MAX_KNOWN) known.set(column, field);
  return field;
}
