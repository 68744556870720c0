import { fieldOf } from "../naming.ts";
import { toldColumns } from "../told-columns.ts";

/** Columns that nobody is told of: secrets, and what is the hub's own. */
const HIDDEN: ReadonlySet<string> = new Set([
  "registration_token",
  "environment_vars",
  "presence_revision",
  "deleted_at",
  "monster_auth_user_id",
]);

/** A row's columns as RPC answers tell them: fields in camelCase, timestamps ISO 8601 with milliseconds. */
export function told(columns: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return toldColumns(columns, HIDDEN);
}

/** The same of columns whose values are not there. */
export function fieldsOf(columns: readonly string[]): string[] {
  return columns.filter((column) => !HIDDEN.has(column)).map(fieldOf);
}
