import type { z } from "zod";

/** True only if both types are identical. */
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
type Flat<T> = { [Key in keyof T]: T[Key] };
type Locked<Schema extends z.ZodType, Shape> = Same<Flat<z.output<Schema>>, Flat<Shape>> extends true ? Schema : never;

/** A schema whose inferred type must equal `Shape`, or the code does not compile: schemas and protocol can't drift apart. */
export const exactSchema =
  <Shape>() =>
  <Schema extends z.ZodType>(schema: Locked<Schema, Shape>): z.ZodType<Shape> =>
    schema as unknown as z.ZodType<Shape>;
