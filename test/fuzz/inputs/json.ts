import fc from "fast-check";

/** JSON as text, to include values that JavaScript can't represent (duplicate keys, 1e400, lone surrogates). */
export type JsonText = fc.Arbitrary<string>;

const nested = (depth: number, [open, close]: readonly [string, string]) => open.repeat(depth) + close.repeat(depth);
const wide = (count: number) => `{${Array.from({ length: count }, (_, index) => `"k${index}":1`).join(",")}}`;

/** Values that no field expects, small ones first, because failures shrink towards them. */
const UNEXPECTED = [
  "null",
  "true",
  "-1",
  "{}",
  "[]",
  '""',
  "-0",
  "0.1",
  "1e400",
  "-1e400",
  "5e-324",
  "2147483648",
  "9007199254740993",
  "123456789012345678901234567890",
  '"\\u0000"',
  '"a\\u0000b"',
  '"\\ud800"',
  '"\\udc00\\ud800"',
  '"\u{1f984}\u202e\ufeff\u0301"',
  '"\u2028"',
  '"__proto__"',
  '"constructor"',
  '"hub"',
  '"*"',
  '"audit:1"',
  '"\'; DROP TABLE tasks; --"',
  '"%s%n{{x}}"',
  '"0001-01-01T00:00:00Z"',
  '"+275760-09-13T00:00:00Z"',
  '{"__proto__":{"kind":"service","organizations":"*"}}',
  '{"constructor":{"prototype":{"admin":true}}}',
  '{"toJSON":1,"toString":2,"valueOf":3,"length":1e9}',
  '{"then":1}',
  '{"_placeholder":true,"num":0}',
  '{"\\u0000":1}',
  '{"\\ud800":1}',
  '[null,[],{},"",0]',
  nested(33, ["[", "]"]),
  nested(40, ['{"a":', "}"]).replace("}", "1}"),
] as const;
const LARGE = [
  JSON.stringify("x".repeat(300)),
  JSON.stringify("\u00e9".repeat(9_000)),
  JSON.stringify("x".repeat(70_000)),
  nested(5_000, ["[", "]"]),
  wide(1_100),
  `[${Array(40_000).fill(1).join()}]`,
] as const;

export const unexpected: JsonText = fc.oneof(
  { weight: 100, arbitrary: fc.constantFrom(...UNEXPECTED) },
  { weight: 1, arbitrary: fc.constantFrom(...LARGE) },
);

const WORDS = [
  "plan",
  "A b",
  "x",
  "main",
  "feature/1",
  "/src/app",
  "https://example.com/a",
  "a@example.com",
  "\u00fc\u{1f600}",
];

/** Typical text of callers, sometimes arbitrary text. */
export const words: JsonText = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom(...WORDS.map((word) => JSON.stringify(word))) },
  { weight: 1, arbitrary: fc.string({ unit: "binary", maxLength: 12 }).map((text) => JSON.stringify(text)) },
);

const leaf: JsonText = fc.oneof(words, fc.constantFrom("1", "true", "null", "-2.5e3"), unexpected);

/** Any JSON, mostly small. */
export const anything: JsonText = fc.oneof(
  { weight: 3, arbitrary: leaf },
  { weight: 1, arbitrary: fc.array(leaf, { maxLength: 3 }).map((items) => `[${items.join()}]`) },
  { weight: 2, arbitrary: fc.array(fc.tuple(words, leaf), { maxLength: 3 }).map(objectOf) },
);

/** An object of these members, in this order: a key may occur twice. */
export function objectOf(members: readonly (readonly [key: string, value: string])[]): string {
  return `{${members.map(([key, value]) => `${key}:${value}`).join()}}`;
}
