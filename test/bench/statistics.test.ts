import * as assert from "uvu/assert";
import { type Figure, outcomeOf } from "../../scripts/bench/outcome.ts";
import { median, percentile } from "../../scripts/bench/statistics.ts";
import { formatTable } from "../../scripts/bench/table.ts";
import { below, ratioAtLeast, ratioAtMost } from "../../scripts/bench/targets.ts";
import { suite } from "../support/suite.ts";

const test = suite("bench statistics");
const figure = (overrides: Partial<Figure> = {}): Figure => ({
  name: "fanout-10",
  unit: "deliveries / s",
  target: ratioAtLeast(5),
  ...overrides,
});

test("the median is the middle value, or the mean of the two in the middle", () => {
  assert.is(median([9, 1, 5]), 5);
  assert.is(median([4, 1, 3, 2]), 2.5);
  assert.ok(Number.isNaN(median([])));
});

test("a percentile is the value that this share of values does not exceed", () => {
  const hundred = Array.from({ length: 100 }, (_, index) => 100 - index);
  assert.is(percentile(hundred, 0.5), 50);
  assert.is(percentile(hundred, 0.99), 99);
  assert.is(percentile([7], 0.99), 7);
});

test("the ratio is the median of the rounds' ratios, not the ratio of the medians", () => {
  const samples = [
    { ours: 100, peer: 10 },
    { ours: 20, peer: 20 },
    { ours: 90, peer: 30 },
  ];
  const outcome = outcomeOf(figure(), samples);
  assert.equal(outcome, { case: "fanout-10", ours: 90, peer: 20, ratio: 3, target: "≥ 5 ×", met: false });
});

test("a target without a peer is compared with the figure itself", () => {
  const stall = figure({ name: "recover stall", target: below(1_000, "ms") });
  assert.equal(outcomeOf(stall, [{ ours: 999, peer: null }]).met, true);
  assert.equal(outcomeOf(stall, [{ ours: 1_000, peer: null }]).met, false);
  assert.is(outcomeOf(stall, [{ ours: 999, peer: null }]).ratio, null);
});

test("a round whose load was not produced does not count as reached", () => {
  const samples = [{ ours: 100, peer: 10, fault: "half of the rate" }];
  assert.is(outcomeOf(figure(), samples).met, false);
});

test("a case without a single sample is not met", () => {
  assert.is(outcomeOf(figure(), []).met, false);
  assert.is(outcomeOf(figure({ target: ratioAtMost(1.2) }), []).met, false);
});

test("the table has one aligned line for each figure", () => {
  const outcome = outcomeOf(figure(), [{ ours: 512_345, peer: 60_000 }]);
  const [header = "", rule = "", row = "", ...rest] = formatTable([{ figure: figure(), outcome }]).split("\n");
  assert.is(rest.length, 0);
  assert.is(header.length, rule.length);
  assert.is(row.trimEnd(), "fanout-10  deliveries / s  512,345  60,000  8.539   ≥ 5 ×  yes");
});

test.run();
