import { equal, is, ok } from "uvu/assert";
import { TokenBucket } from "../../hub/kernel/token-bucket.ts";
import { suite } from "../support/suite.ts";

const test = suite("token bucket");
const PER_SECOND = 100;

/** Tries `perSecond` times a second, evenly; returns whether it ever counted as abuse. */
function abuses(bucket: TokenBucket, perSecond: number, seconds: number): boolean {
  let abused = false;
  for (let attempt = 0; attempt < perSecond * seconds; attempt += 1) {
    bucket.take((attempt * 1_000) / perSecond);
    abused ||= bucket.abused;
  }
  return abused;
}

test("an hour at nine times the rate is no abuse, and a second at twelve times is", () => {
  is(abuses(new TokenBucket(PER_SECOND), PER_SECOND * 9, 3_600), false);
  is(abuses(new TokenBucket(PER_SECOND), PER_SECOND * 12, 2), true);
});

test("bursts seconds apart do not add up", () => {
  const bucket = new TokenBucket(PER_SECOND);
  for (let burst = 0; burst < 1_000; burst += 1) {
    for (let attempt = 0; attempt < PER_SECOND * 5; attempt += 1) bucket.take(burst * 8_000);
    is(bucket.abused, false, `burst ${burst}`);
  }
});

test("callers that obey their retry times are all served within the time that their number takes", () => {
  const bucket = new TokenBucket(PER_SECOND);
  // Callers that retry in the same millisecond keep their order.
  const due = Array.from({ length: PER_SECOND }, (_, caller) => ({ at: 1_000, caller }));
  const served = new Map<number, number>();
  let refusals = 0;
  while (due.length > 0) {
    due.sort((one, other) => one.at - other.at);
    const next = due.shift();
    if (!next || next.at > 10_000) break;
    const retryAfterMs = bucket.take(next.at);
    if (retryAfterMs > 0) refusals += 1;
    else served.set(next.caller, (served.get(next.caller) ?? 0) + 1);
    due.push({ ...next, at: next.at + Math.max(retryAfterMs, 1) });
    is(bucket.abused, false);
  }
  const counts = [...served.values()];
  is(counts.length, PER_SECOND);
  const total = counts.reduce((sum, count) => sum + count, 0);
  ok(total >= PER_SECOND * 9 && total <= PER_SECOND * 10 + PER_SECOND, `${total} served`);
  // Each is rejected about as often as it is served, not repeatedly for the same token.
  ok(refusals <= total * 2, `${refusals} refusals of ${total}`);
});

test("a full bucket gives its burst, then a token for each interval", () => {
  const bucket = new TokenBucket(2, 5);
  equal(
    Array.from({ length: 7 }, () => bucket.take(10_000)),
    [0, 0, 0, 0, 0, 500, 1_000],
  );
  is(bucket.take(10_500), 0);
  is(bucket.take(60_000), 0);
});

test.run();
