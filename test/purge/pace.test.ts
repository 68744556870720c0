import { equal, is, ok } from "uvu/assert";
import { FIRST_PACE, nextPace } from "../../hub/purge/pace.ts";
import { suite } from "../support/suite.ts";

const test = suite("the pace of a purge");
const full = (limit: number, tookMs: number) => ({ tookMs, removed: limit, restShare: 3 });

test("batches that take too long become smaller, down to a minimum, and their pauses longer", () => {
  let pace = FIRST_PACE;
  for (let round = 0; round < 20; round += 1) pace = nextPace(pace, full(pace.limit, 200));
  equal(pace, { limit: 20, pauseMs: 600 });
});

test("quick batches become larger, up to a maximum, and still pause", () => {
  let pace = FIRST_PACE;
  for (let round = 0; round < 20; round += 1) pace = nextPace(pace, full(pace.limit, 1));
  equal(pace, { limit: 500, pauseMs: 10 });
});

test("a batch that removed few rows does not justify a larger one", () => {
  is(nextPace({ limit: 100, pauseMs: 0 }, { tookMs: 1, removed: 3, restShare: 3 }).limit, 100);
});

test("a pause is at most two seconds, however slow the database is", () => {
  ok(nextPace(FIRST_PACE, full(100, 60_000)).pauseMs <= 2_000);
});

test.run();
