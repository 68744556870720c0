import { fieldOf } from "../kernel/naming.ts";
import { firstInvalidTimestamp, toPublicFields } from "../kernel/public-fields.ts";

/** Columns that no publication contains: secrets, and columns for the hub alone. */
const HIDDEN: ReadonlySet<string> = new Set([
  "registration_token",
  "environment_vars",
  "presence_revision",
  "deleted_at",
  "monster_auth_user_id",
]);

/**
 * A row's columns as the fields of RPC answers: names in camelCase, timestamps ISO 8601 with milliseconds. Throws if a
 * timestamp has no such form, such as `infinity`.
 */
export function changedFields(columns: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const column = firstInvalidTimestamp(columns);
  if (column !== null) throw new RangeError(`${fieldOf(column)} is not a valid timestamp: ${columns[column]}`);
  return toPublicFields(columns, HIDDEN);
}

/** The field names of omitted columns. */
export function fieldsOf(columns: readonly string[]): string[] {
  return columns.filter((column) => !HIDDEN.has(column)).map(fieldOf);
}
