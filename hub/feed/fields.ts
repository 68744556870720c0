import { fieldOf } from "../naming.ts";

/** Columns that nobody is told of: secrets, and what is the hub's own. */
const HIDDEN: ReadonlySet<string> = new Set([
  "registration_token",
  "environment_vars",
  "presence_revision",
  "deleted_at",
  "monster_auth_user_id",
]);

const TIMESTAMP_COLUMN = /_at$/;

/** A row's columns as RPC answers tell them: fields in camelCase, timestamps ISO 8601 with milliseconds. */
export function told(columns: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(columns)
      .filter(([column]) => !HIDDEN.has(column))
      .map(([column, value]) => [fieldOf(column), TIMESTAMP_COLUMN.test(column) ? timestamp(value) : value]),
  );
}

/** The same of columns whose values are not there. */
export function fieldsOf(columns: readonly string[]): string[] {
  return columns.filter((column) => !HIDDEN.has(column)).map(fieldOf);
}

/** Postgres writes `2026-01-01T00:00:00+00:00`, with as many decimals as there are. */
function timestamp(value: unknown): unknown {
  return typeof value === "string" ? new Date(value).toISOString() : value;
}
