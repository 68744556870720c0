import { HubError } from "../../errors.ts";
import { fieldOf } from "../../naming.ts";
import { type DatabaseFault, isDatabaseFault } from "../../store/postgres.ts";

/** What was under way: says where a fault of a value lies in the params. */
export interface FaultContext {
  method: string;
}

type Told = (fault: DatabaseFault, path: string, method: string) => HubError;

const unfit: Told = (_, path) => refused("bad_request", path, "is not a value this field takes");

/** By SQLSTATE. What is missing here is a fault of the hub's and stays as it is. */
const FAULTS: ReadonlyMap<string, Told> = new Map<string, Told>([
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

/** A database's refusal as the caller is told it; anything else unchanged. */
export function toldFault(error: unknown, { method }: FaultContext): unknown {
  if (!isDatabaseFault(error)) return error;
  const told = FAULTS.get(error.code);
  return told ? told(error, pathOf(error, method), method) : error;
}

function foreignKey(_: DatabaseFault, path: string, method: string): HubError {
  if (method.endsWith(".delete"))
    return new HubError("conflict", "Other rows still refer to this one. Delete or change them first.");
  return refused("bad_request", path, "names nothing that this row may refer to");
}

function busy(fault: DatabaseFault): HubError {
  const message = "Others were changing the same rows all the time. Nothing was changed. Try again.";
  return new HubError("unavailable", message, { retryAfterMs: 100, cause: fault });
}

function refused(code: "conflict" | "bad_request", path: string, message: string): HubError {
  return new HubError(code, path ? `${path}: ${message}` : `A value ${message}.`, { details: [{ path, message }] });
}

/** The last column of a key is the one a caller chose: those before it say within what it is unique. */
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
