import type { RpcMethod, RpcParams } from "@monster-realtime/client/protocol";
import { z } from "zod";

/** True only if both types are identical. */
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
/** Expands a type, so that an intersection equals the object type it describes. */
type Plain<T> = T extends readonly (infer Item)[]
  ? Plain<Item>[]
  : T extends object
    ? { [Key in keyof T]: Plain<T[Key]> }
    : T;
type Locked<Schema extends z.ZodType, Params> =
  Same<Plain<z.output<Schema>>, Plain<Params>> extends true ? Schema : never;

/** The schema of a method's params. Compiles only if its output is exactly the protocol's type. */
export const paramsOf =
  <Method extends RpcMethod>() =>
  <Schema extends z.ZodType>(schema: Locked<Schema, RpcParams<Method>>): z.ZodType<RpcParams<Method>> =>
    schema as unknown as z.ZodType<RpcParams<Method>>;

type Optional<Shape extends z.ZodRawShape> = { [Key in keyof Shape]: z.ZodExactOptional<Shape[Key]> };

/** The same fields, all optional. */
export function optional<Shape extends z.ZodRawShape>(shape: Shape): Optional<Shape> {
  return Object.fromEntries(
    Object.entries(shape).map(([key, schema]) => [key, z.exactOptional(schema)]),
  ) as unknown as Optional<Shape>;
}

/** Fields to change; at least one. */
function setOf<Shape extends z.ZodRawShape>(shape: Shape) {
  return z
    .strictObject(optional(shape))
    .refine((set) => Object.keys(set).length > 0, "has no fields; set at least one");
}

/** Postgres counts characters, not UTF-16 units. */
const fits = (max: number) => (text: string) => text.length <= max || [...text].length <= max;

/** A string of at most `max` characters. */
export const text = (max: number) => z.string("must be a string").refine(fits(max), `is longer than ${max} characters`);
export const filledText = (max: number) => text(max).refine((value) => value.trim() !== "", "must not be empty");
export const longText = z.string("must be a string");
export const slug = text(100).refine(
  (value) => /^[a-z0-9]+(?:-[a-z0-9]+)*$/.test(value),
  "must be lower-case letters, digits and single hyphens between them",
);
/** An unverified email address. */
export const email = text(255).refine(
  (value) => /^[^\s@]+@[^\s@]+$/.test(value),
  "must be an address like name@example.com",
);
/** A URL that a page may link to. Script and data schemes are rejected: they would run in the reader's session. */
export const webAddress = text(2_048).refine(
  (value) => /^https?:\/\//i.test(value) && URL.canParse(value),
  "must be an http or https address",
);
export const timezone = text(50).refine(isTimezone, "must be a time zone like Europe/Berlin or UTC");
export const id = (prefix: string) =>
  z.string().regex(new RegExp(`^${prefix}_[0-9A-HJKMNP-TV-Z]{26}$`), `must be ${prefix}_ and a ULID`);
/** One of these values. The protocol's type also allows the values of newer hubs. */
export const oneOf = <Value extends string>(values: readonly Value[]) =>
  z.enum(values as readonly string[] as readonly [string, ...string[]]) as unknown as z.ZodType<Value>;
export const timestamp = z.iso.datetime({ offset: true, error: "must be an ISO 8601 timestamp with a time zone" });

/** The maximum number of rows in an answer. */
export const limit = z.int().min(1).max(200);

/** The params of a list with this filter. */
export function listParams<Shape extends z.ZodRawShape>(filter: Shape) {
  return z.strictObject({
    organizationId: z.exactOptional(id("org")),
    projectId: z.exactOptional(id("proj")),
    filter: z.exactOptional(z.strictObject(optional(filter))),
    limit: z.exactOptional(limit),
    cursor: z.exactOptional(z.string().max(4_096)),
  });
}

export function idParams(prefix: string) {
  return z.strictObject({ id: id(prefix) });
}

export function updateParams<Shape extends z.ZodRawShape>(prefix: string, shape: Shape) {
  return z.strictObject({ id: id(prefix), set: setOf(shape), ifUpdatedAt: z.exactOptional(timestamp) });
}

/** The params of an update of rows without `updatedAt`. Their deletion takes `idParams`. */
export function unversionedUpdateParams<Shape extends z.ZodRawShape>(prefix: string, shape: Shape) {
  return z.strictObject({ id: id(prefix), set: setOf(shape) });
}

export function deleteParams(prefix: string) {
  return z.strictObject({ id: id(prefix), ifUpdatedAt: z.exactOptional(timestamp) });
}

function isTimezone(name: string): boolean {
  try {
    // Some runtimes accept an offset, but it is not the name of a time zone.
    return /^[A-Za-z]/.test(name) && new Intl.DateTimeFormat("en", { timeZone: name }) !== null;
  } catch {
    // Not the name of a time zone.
    return false;
  }
}
