import type { z } from "zod";
import { badRequest, type Fault, HubError } from "./errors.ts";
import { MAX_DEPTH, MAX_KEYS } from "./json-limits.ts";

/** Converts Zod's issues to the protocol's `details`: a path and a message each. */
export function faultsOf(error: z.ZodError, prefix: readonly PropertyKey[] = []): Fault[] {
  return error.issues.flatMap((issue) => {
    const path = [...prefix, ...issue.path];
    if (issue.code !== "unrecognized_keys") return [{ path: join(path), message: issue.message }];
    return issue.keys.map((key) => ({ path: join([...path, key.slice(0, 64)]), message: "is not a known field" }));
  });
}

function join(path: readonly PropertyKey[]): string {
  return path.map(String).join(".");
}

/** The value as the schema parses it. Throws `bad_request` with every fault. */
export function validate<Value>(schema: z.ZodType<Value>, value: unknown): Value {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const faults = faultsOf(parsed.error);
  const message = faults.map(({ path, message }) => (path ? `${path}: ${message}` : message)).join("; ");
  throw new HubError("bad_request", message.slice(0, 1024), { details: faults.slice(0, 32) });
}

/**
 * Rejects JSON that the database or a reader can't process: deeper than 32, more than 1,024 keys, NUL characters and lone
 * surrogates (Postgres rejects both, and one such row fails a batch), and numbers beyond a double's range (parsed as
 * infinite, written as null). Throws `bad_request`.
 */
export function refuseUnsafeJson(value: unknown, path: string): void {
  if (mayBeUnsafe(value)) walk(value, path, 1, { keys: 0 });
}

/** False for most scalars, so that no path is built for them. */
function mayBeUnsafe(value: unknown): boolean {
  if (typeof value === "number") return !Number.isFinite(value);
  return typeof value === "string" || (typeof value === "object" && value !== null);
}

function walk(value: unknown, path: string, depth: number, count: { keys: number }): void {
  if (typeof value === "string") refuseUnsafeText(value, path);
  if (typeof value === "number") throw badRequest(path, "is a number too large to be kept");
  if (typeof value !== "object" || value === null) return;
  if (depth > MAX_DEPTH) throw badRequest(path, `is nested deeper than ${MAX_DEPTH}`);
  if (Buffer.isBuffer(value)) throw badRequest(path, "is binary; only JSON is taken");
  const entries = Array.isArray(value) ? value.entries() : Object.entries(value);
  for (const [key, inner] of entries) {
    if (typeof key === "string") {
      count.keys += 1;
      if (count.keys > MAX_KEYS) throw badRequest(path, `has more than ${MAX_KEYS} keys`);
      refuseUnsafeText(key, path);
    }
    if (mayBeUnsafe(inner)) walk(inner, `${path}.${String(key).slice(0, 64)}`, depth + 1, count);
  }
}

/** Throws `bad_request` for NUL characters and lone surrogates. */
export function refuseUnsafeText(text: string, path: string): void {
  if (text.includes("\0")) throw badRequest(path, "holds a NUL character");
  if (!text.isWellFormed()) throw badRequest(path, "holds a lone surrogate, which is not text");
}

/** True only if both types are identical. */
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
type Flat<T> = { [Key in keyof T]: T[Key] };
type Locked<Schema extends z.ZodType, Shape> = Same<Flat<z.output<Schema>>, Flat<Shape>> extends true ? Schema : never;

/** A schema whose inferred type must equal `Shape`, or the code does not compile: schemas and protocol can't drift apart. */
export const exactSchema =
  <Shape>() =>
  <Schema extends z.ZodType>(schema: Locked<Schema, Shape>): z.ZodType<Shape> =>
    schema as unknown as z.ZodType<Shape>;
