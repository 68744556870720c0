import fc from "fast-check";
import { is, ok } from "uvu/assert";
import { jsonTooComplex, MAX_DEPTH, MAX_KEYS, MAX_VALUES } from "../../hub/kernel/json-limits.ts";
import { suite } from "../support/suite.ts";

const test = suite("limits of JSON");

/** Long enough to be scanned. */
const PADDING = " ".repeat(5_000);
const nested = (depth: number) => `${"[".repeat(depth)}${"]".repeat(depth)}${PADDING}`;
const keys = (count: number) =>
  JSON.stringify(Object.fromEntries(Array.from({ length: count }, (_, n) => [`k${n}`, n])));

test("depth, keys and values are counted up to their limits", () => {
  is(jsonTooComplex(nested(MAX_DEPTH)), null);
  is(jsonTooComplex(nested(MAX_DEPTH + 1)), "is nested deeper than 32");
  is(jsonTooComplex(nested(MAX_DEPTH + 1), 1), null);
  is(jsonTooComplex(keys(MAX_KEYS)), null);
  is(jsonTooComplex(keys(MAX_KEYS + 1)), "has more than 1024 keys");
  is(jsonTooComplex(`[${"1,".repeat(MAX_VALUES)}1]`), null);
  is(jsonTooComplex(`[${"1,".repeat(MAX_VALUES + 1)}1]`), "has more than 32768 values");
});

test("the contents of strings do not count", () => {
  const text = '{"[:,'.repeat(2_000);
  for (const string of [text, `${text}\\`, `\\"${text}`, `\\\\"${text}\\\\`]) {
    is(jsonTooComplex(JSON.stringify({ string, after: [1, 2] })), null, string.slice(0, 20));
  }
});

test("any JSON within the limits passes, in any form", () => {
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 20 }), fc.constantFrom(0, 2), (value, indent) => {
      const text = JSON.stringify(value, null, indent);
      const counted = count(value, 1);
      const within = counted.depth <= MAX_DEPTH && counted.keys <= MAX_KEYS && counted.commas <= MAX_VALUES;
      is(jsonTooComplex(text + PADDING) === null, within);
    }),
  );
});

test("text that is not JSON is scanned to its end without an exception", () => {
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom('"', "\\", "{", "}", "[", ",", ":", "a", "\ud800") }), (text) => {
      jsonTooComplex(text + PADDING);
      jsonTooComplex(PADDING + text);
    }),
  );
});

test("a million levels, keys or quotes end the scan at the limit, not at the end of the stack", () => {
  for (const text of ["[", '{"a":', '"', "\\", '"\\"', "[1,"].map((part) => part.repeat(1_000_000))) {
    const startedAt = process.cpuUsage();
    jsonTooComplex(text);
    const { user } = process.cpuUsage(startedAt);
    ok(user < 250_000, `${text.slice(0, 5)} took ${user} µs of CPU`);
  }
});

function count(value: unknown, depth: number): { depth: number; keys: number; commas: number } {
  if (typeof value !== "object" || value === null) return { depth: depth - 1, keys: 0, commas: 0 };
  const inner = Object.values(value);
  const total = { depth, keys: Array.isArray(value) ? 0 : inner.length, commas: Math.max(0, inner.length - 1) };
  for (const counted of inner.map((child) => count(child, depth + 1))) {
    total.depth = Math.max(total.depth, counted.depth);
    total.keys += counted.keys;
    total.commas += counted.commas;
  }
  return total;
}

test.run();
