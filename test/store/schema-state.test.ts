import { equal } from "uvu/assert";
import { type SchemaState, stateOf } from "../../hub/store/applied-migrations.ts";
import { suite } from "../support/suite.ts";

const test = suite("applied migrations compared with those of the hub");

const mark = (name: string, checksum: string | null = name) => ({ name, checksum });
const KNOWN = ["0001-a", "0002-b", "0003-c"].map((name) => mark(name));
const [A, B, C] = ["0001-a", "0002-b", "0003-c"] as const;

type Applied = Parameters<typeof stateOf>[0];

const CASES: readonly (readonly [string, Applied, SchemaState])[] = [
  ["all of them are current", KNOWN, { kind: "current" }],
  ["all of them in another order are current", [...KNOWN].reverse(), { kind: "current" }],
  ["an empty database lacks all", null, { kind: "pending", names: [A, B, C] }],
  ["the first alone lacks the later", [mark(A)], { kind: "pending", names: [B, C] }],
  ["a later one that the hub lacks is newer", [...KNOWN, mark("0004-d")], { kind: "newer", names: ["0004-d"] }],
  ["an edited one is named", [mark(A), mark(B, "x")], { kind: "edited", names: [B] }],
  ["each edited one is named", [mark(A, "y"), mark(B, "x")], { kind: "edited", names: [A, B] }],
  ["an edited one is named in a newer database too", [mark(A, "x"), mark("9-z")], { kind: "edited", names: [A] }],
  ["a missing older one is named", [mark(A), mark(C)], { kind: "gap", names: [B], later: C }],
  ["the missing first one is named", [mark(B)], { kind: "gap", names: [A], later: B }],
  [
    "a missing one is named in a newer database",
    [mark(A), mark("0004-d")],
    { kind: "gap", names: [B, C], later: "0004-d" },
  ],
  ["an unknown one among the known is named", [mark(A), mark("0002-x")], { kind: "unknown", names: ["0002-x"] }],
  ["one without a checksum is named", [mark(A, null)], { kind: "unverified", names: [A] }],
  [
    "all without a checksum are named, known or not",
    [mark(A, null), mark("0009-x", null)],
    { kind: "unverified", names: [A, "0009-x"] },
  ],
  ["a table without a row is unrecorded", [], { kind: "unrecorded" }],
  ["rows without a name are another program's", [{ name: null, checksum: null }], { kind: "foreign" }],
];

for (const [name, applied, state] of CASES) test(name, () => equal(stateOf(applied, KNOWN), state));

test.run();
