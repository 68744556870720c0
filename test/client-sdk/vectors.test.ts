import { readFileSync } from "node:fs";
import * as assert from "uvu/assert";
import { errorFromObject, isReservedId, isReservedType, parseChannel, TYPE_PATTERN } from "../../client-sdk/index.ts";
import { suite } from "../support/suite.ts";

const test = suite("shared vectors");

interface ChannelCase {
  name: unknown;
  parsed: { kind: string; id: string } | null;
}
interface TypeCase {
  type: unknown;
  valid: boolean;
  reserved: boolean;
}
interface IdCase {
  id: unknown;
  valid: boolean;
  reserved: boolean;
}
interface ErrorCase {
  object: unknown;
  error: { class: string; code: string; temporary: boolean; retryAfterMs: number | null; traceId: string | null };
}

function casesOf<Case>(file: string): Case[] {
  const text = readFileSync(new URL(`../vectors/${file}`, import.meta.url), "utf8");
  const { cases } = JSON.parse(text) as { cases: Case[] };
  assert.ok(cases.length > 0, `${file} holds cases`);
  return cases;
}

test("channel names are parsed according to the vectors", () => {
  for (const { name, parsed } of casesOf<ChannelCase>("channels.json")) {
    assert.equal(parseChannel(name), parsed && { ...parsed, name }, JSON.stringify(name));
  }
});

test("publication types are valid and reserved according to the vectors", () => {
  for (const { type, valid, reserved } of casesOf<TypeCase>("types.json")) {
    const isValid = typeof type === "string" && TYPE_PATTERN.test(type);
    assert.is(isValid, valid, `valid: ${JSON.stringify(type)}`);
    if (valid) assert.is(isReservedType(type as string), reserved, `reserved: ${JSON.stringify(type)}`);
  }
});

test("ids of publications are reserved according to the vectors", () => {
  for (const { id, valid, reserved } of casesOf<IdCase>("ids.json"))
    if (valid) assert.is(isReservedId(id as string), reserved, JSON.stringify(id));
});

test("error objects become errors according to the vectors", () => {
  for (const { object, error } of casesOf<ErrorCase>("errors.json")) {
    const made = errorFromObject(object);
    const { class: name, ...fields } = error;
    assert.is(made.name, name);
    for (const [field, value] of Object.entries(fields)) {
      assert.equal(made[field as keyof typeof made], value, `${field} of ${JSON.stringify(object)}`);
    }
  }
});

test.run();
