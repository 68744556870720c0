import { readFileSync } from "node:fs";
import { is, ok } from "uvu/assert";
import { complaintsOf } from "../docs/support/examples.ts";
import { suite } from "../support/suite.ts";

const test = suite("what the SDK's types refuse");
const code = readFileSync(new URL("support/refused.ts", import.meta.url), "utf8");
const expected = code.match(/\/\/ @ts-expect-error/g)?.length ?? 0;

test("each wrong channel, event, method, params, meta and option", () => {
  ok(expected > 30);
  is(complaintsOf([{ code, kind: "ts" }], ""), "");
});

test("one thing each: every line alone is refused", () => {
  const told = complaintsOf([{ code: code.replaceAll("@ts-expect-error", "refused:"), kind: "ts" }], "");
  is(told.match(/error TS\d+/g)?.length, expected, told);
});

test.run();
