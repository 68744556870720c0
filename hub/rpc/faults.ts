import { badRequest, HubError } from "../errors.ts";
import { type DatabaseFault, isDatabaseFault } from "../store/postgres.ts";

const camel = (column: string): string => column.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());

/** What Postgres refused, as the caller is told it; anything else as it was. */
export function toRefusal(error: unknown): unknown {
  if (!isDatabaseFault(error)) return error;
  const column = columnOf(error);
  switch (error.code) {
    case "23505":
      return new HubError("conflict", `${column}: is taken already`, {
        details: [{ path: column, message: "is taken already" }],
      });
    case "23503":
      return badRequest(column, "names a row that does not exist here");
    case "23514":
    case "23502":
    case "22001":
    case "22003":
    case "22007":
    case "22P02":
    case "22021":
    case "22P05":
      return badRequest(column, "is not a value that this field takes");
    case "23000":
      // Raised by a trigger of schema.sql, in words for people.
      return new HubError("conflict", error.message, { details: [{ path: "", message: error.message }] });
    default:
      return error;
  }
}

/** The last column of a key or the column of a check, in the protocol's spelling. */
function columnOf({ detail, column_name, constraint_name, table_name }: DatabaseFault): string {
  const key = /^Key \(([^)]+)\)/
    .exec(detail ?? "")?.[1]
    ?.split(", ")
    .at(-1);
  const check = constraint_name?.startsWith(`${table_name}_`)
    ? constraint_name.slice(`${table_name}_`.length).replace(/_(?:check\d*|fkey|key)$/, "")
    : undefined;
  return camel(key ?? column_name ?? check ?? "");
}
