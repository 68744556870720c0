import { HubError } from "../../kernel/errors.ts";
import { fieldOf } from "../../kernel/public-fields.ts";
import { type DatabaseFault, isDatabaseFault } from "../../store/database.ts";

/** The failed call. The method decides the path of a column in the params. */
export interface FaultContext {
  method: string;
}

type ErrorFactory = (fault: DatabaseFault, path: string, method: string) => HubError;

const unfit: ErrorFactory = (_, path) => refused("bad_request", path, "is not a valid value of this field");

/** Errors of callers, by SQLSTATE. Any other code is an internal error. */
const FAULTS: ReadonlyMap<string, ErrorFactory> = new Map<string, ErrorFactory>([
  ["23505", (_, path) => refused("conflict", path, "is taken; choose another, or update the row that has it")],
  ["23503", foreignKey],
  ["23514", unfit],
  ["23502", (_, path) => refused("bad_request", path, "may not be null")],
  ["23000", (fault) => new HubError("conflict", fault.message, { cause: fault })],
  ["22001", (_, path) => refused("bad_request", path, "is too long")],
  ["22003", (_, path) => refused("bad_request", path, "is out of the range of this field")],
  ["22007", unfit],
  ["22008", unfit],
  ["22P02", unfit],
  ["22P05", unfit],
  ["22021", unfit],
  ["40P01", busy],
  ["40001", busy],
]);

/** Converts a database error to the `HubError` that the caller receives. Returns other errors unchanged. */
export function toHubError(error: unknown, { method }: FaultContext): unknown {
  if (!isDatabaseFault(error)) return error;
  const create = FAULTS.get(error.code);
  return create ? create(error, pathOf(error, method), method) : error;
}

function foreignKey(_: DatabaseFault, path: string, method: string): HubError {
  if (method.endsWith(".delete"))
    return new HubError("conflict", "Other rows still refer to this one. Delete or change them first.");
  return refused("bad_request", path, "refers to a row that does not exist or does not fit; check the id");
}

function busy(fault: DatabaseFault): HubError {
  const message = "Concurrent changes of the same rows prevented this call. Nothing was changed. Try again.";
  return new HubError("unavailable", message, { retryAfterMs: 100, cause: fault });
}

function refused(code: "conflict" | "bad_request", path: string, message: string): HubError {
  return new HubError(code, path ? `${path}: ${message}` : `A value ${message}.`, { details: [{ path, message }] });
}

/** Takes the last column of a key: the caller chose its value, and the columns before it are its scope. */
function pathOf({ column_name, detail, constraint_name, table_name }: DatabaseFault, method: string): string {
  const key = /\(([^()]+)\)=\(/
    .exec(detail ?? "")?.[1]
    ?.split(", ")
    .at(-1);
  const checked = constraint_name?.match(new RegExp(`^${table_name}_(.+?)_check\\d*$`))?.[1];
  const column = column_name ?? key ?? checked;
  if (column === undefined) return "";
  return method.endsWith(".update") ? `set.${fieldOf(column)}` : fieldOf(column);
}
