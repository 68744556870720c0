import { fieldOf } from "../naming.ts";
import { noTime, toldColumns } from "../told-columns.ts";

/** Columns that no publication has: secrets, and columns that the hub alone uses. */
const HIDDEN: ReadonlySet<string> = new Set([
  "registration_token",
  "environment_vars",
  "presence_revision",
  "deleted_at",
  "monster_auth_user_id",
]);

/**
 * A row's columns as RPC answers have them: fields in camelCase, timestamps ISO 8601 with milliseconds. Throws if a
 * timestamp can't be shown so, such as `infinity`.
 */
export function changedFields(columns: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const column = noTime(columns);
  if (column !== null) throw new RangeError(`${fieldOf(column)} is no time: ${columns[column]}`);
  return toldColumns(columns, HIDDEN);
}

/** The fields of columns whose values are left out. */
export function fieldsOf(columns: readonly string[]): string[] {
  return columns.filter((column) => !HIDDEN.has(column)).map(fieldOf);
}
