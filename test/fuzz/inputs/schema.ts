import fc from "fast-check";
import { z } from "zod";
import { anything, type JsonText, objectOf, unexpected, words } from "./json.ts";
import { CHANNELS, idText } from "./names.ts";

/** The subset of zod's JSON Schema that is used here. */
interface Schema {
  type?: string | string[];
  enum?: unknown[];
  const?: unknown;
  anyOf?: Schema[];
  pattern?: string;
  format?: string;
  minimum?: number;
  maximum?: number;
  items?: Schema;
  properties?: Record<string, Schema>;
  required?: string[];
  additionalProperties?: Schema | boolean;
}

/** One in this many values violates the schema. */
const GOOD_FOR_EACH_BAD = 25;
const ID_PATTERN = /^\^([a-z]+)_\[/;
const DATES = ["2026-01-01T00:00:00Z", "2026-11-29T12:00:00.123+02:00", "9999-12-31T23:59:59Z"].map((date) =>
  JSON.stringify(date),
);
/** Text with a format that a schema checks in code, which JSON Schema does not describe. */
const BY_NAME: Readonly<Record<string, JsonText>> = {
  channel: fc.constantFrom(...CHANNELS.map((name) => JSON.stringify(name))),
  token: fc.constantFrom('"@owner@"', '"@station@"', '"@service@"', '"wst_x"', '"pat_x"'),
  type: fc.constantFrom('"note"', '"task:updated"', '"session:progress"', '"a.b-c_d:e"'),
  id: fc.constantFrom('"1"', '"2"', '"audit:1"', '"01ARZ3NDEKTSV4RRFFQ69G5FAV"'),
  method: fc.constantFrom('"tasks.list"', '"users.get"', '"audit.list"', '"x.y"', '"__proto__"'),
  slug: fc.constantFrom('"a-b"', '"development"'),
};

/** JSON that a schema accepts, with a few faults: wrong values, unknown, missing and repeated fields. */
export function textOf(schema: z.ZodType): JsonText {
  return from(z.toJSONSchema(schema, { unrepresentable: "any", io: "input" }) as Schema, "");
}

function from(schema: Schema, name: string): JsonText {
  return fc.oneof({ weight: GOOD_FOR_EACH_BAD, arbitrary: good(schema, name) }, { weight: 1, arbitrary: unexpected });
}

function good(schema: Schema, name: string): JsonText {
  if (schema.const !== undefined) return fc.constant(JSON.stringify(schema.const));
  if (schema.enum) return fc.constantFrom(...schema.enum.map((value) => JSON.stringify(value)));
  if (schema.anyOf) return fc.oneof(...schema.anyOf.map((either) => from(either, name)));
  if (Array.isArray(schema.type)) return fc.oneof(...schema.type.map((type) => ofType({ ...schema, type }, name)));
  return ofType(schema, name);
}

function ofType(schema: Schema, name: string): JsonText {
  switch (schema.type) {
    case "string":
      return string(schema, name);
    case "integer":
    case "number":
      return number(schema);
    case "boolean":
      return fc.constantFrom("true", "false");
    case "null":
      return fc.constant("null");
    case "array":
      return fc.array(from(schema.items ?? {}, name), { maxLength: 3 }).map((items) => `[${items.join()}]`);
    case "object":
      return object(schema);
    default:
      return anything;
  }
}

function string({ pattern, format }: Schema, name: string): JsonText {
  const prefix = ID_PATTERN.exec(pattern ?? "")?.[1];
  if (prefix !== undefined) return idText(prefix);
  if (format === "date-time") return fc.constantFrom(...DATES);
  return BY_NAME[name] ?? words;
}

function number({ minimum = -1_000, maximum = 1_000, type }: Schema): JsonText {
  const [min, max] = [Math.ceil(minimum), Math.floor(maximum)];
  const within = type === "integer" ? fc.integer({ min, max }) : fc.constantFrom(min, 0.5, -0.0, max, 1e-7);
  return fc.oneof(
    { weight: 20, arbitrary: within.map(String) },
    { weight: 1, arbitrary: fc.constantFrom(`${min - 1}`, `${max + 1}`, "1e21") },
  );
}

function object({ properties = {}, required = [], additionalProperties }: Schema): JsonText {
  const fields = Object.entries(properties).map(([name, schema]) => {
    const member = fc.tuple(fc.constant(JSON.stringify(name)), from(schema, name));
    return fc.option(member, { nil: null, freq: required.includes(name) ? 40 : 2 });
  });
  const more = fc.tuple(words, anything);
  const free = typeof additionalProperties === "object";
  const others = free
    ? fc.array(more, { maxLength: 3 })
    : fc.oneof({ weight: 40, arbitrary: fc.constant([]) }, { weight: 1, arbitrary: fc.array(more, { maxLength: 1 }) });
  const repeated = fc.oneof({ weight: 40, arbitrary: fc.constant(false) }, { weight: 1, arbitrary: fc.constant(true) });
  return fc.tuple(fc.tuple(...fields), others, repeated).map(([own, further, again]) => {
    const members = [...own.filter((member) => member !== null), ...further];
    return objectOf(again ? [...members, ...members] : members);
  });
}
