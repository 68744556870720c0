import { readFileSync } from "node:fs";
import { is, ok } from "uvu/assert";
import { complaintsOf } from "../docs/support/examples.ts";
import { suite } from "../support/suite.ts";

const test = suite("code that the SDK's types reject");
const code = readFileSync(new URL("support/refused.ts", import.meta.url), "utf8");
const expected = code.match(/\/\/ @ts-expect-error/g)?.length ?? 0;

test("each wrong channel, event, method, params, meta and option", () => {
  ok(expected > 30);
  is(complaintsOf([{ code, kind: "ts" }], ""), "");
});

test("each marked line is one type error", () => {
  const complaints = complaintsOf([{ code: code.replaceAll("@ts-expect-error", "refused:"), kind: "ts" }], "");
  is(complaints.match(/error TS\d+/g)?.length, expected, complaints);
});

test.run();
