import type { ParsedChannel } from "@monster-realtime/client/protocol";
import { equal, is, ok } from "uvu/assert";
import { MINUTE_MS, PublicationCounts } from "../../hub/inspection/publication-counts.ts";
import { Recent } from "../../hub/socket/recent.ts";
import { suite } from "../support/suite.ts";

const test = suite("counts of publications, and the records of a node");
const CHANNEL = `task:task_${"A".repeat(26)}`;
const OTHER = `task:task_${"B".repeat(26)}`;
/** The beginning of a minute. */
const START = 29_000_000 * MINUTE_MS;
const minuteOf = (at: number): number => Math.floor(at / MINUTE_MS);

/** The organizations of channels, and the number of queries for them. */
async function withCounts(
  organizationOf: (channel: ParsedChannel) => Promise<string | null>,
  body: (counts: PublicationCounts) => Promise<void>,
): Promise<void> {
  const counts = new PublicationCounts(organizationOf);
  try {
    await body(counts);
  } finally {
    counts.close();
  }
}

test("the rate covers the last minute: the previous minute counts for the part within it", () =>
  withCounts(
    async () => "org",
    async (counts) => {
      for (let number = 0; number < 60; number += 1) counts.count(CHANNEL, START + number);
      const rates = [0.5, 1, 1.25, 1.5, 2, 3].map((minutes) => counts.ofChannel(CHANNEL, START + minutes * MINUTE_MS));
      equal(
        rates.map(({ perSecond }) => perSecond),
        [1, 1, 0.75, 0.5, 0, 0],
      );
      counts.count(CHANNEL, START + 1.5 * MINUTE_MS);
      equal(counts.ofChannel(CHANNEL, START + 1.5 * MINUTE_MS), {
        perSecond: 31 / 60,
        total: 61,
        lastAt: START + 1.5 * MINUTE_MS,
      });
      equal(counts.ofChannel(OTHER, START), { perSecond: 0, total: 0, lastAt: null });
    },
  ));

test("minutes are summed by organization, and each channel's organization is queried once, not during a publish", async () => {
  const asked: string[] = [];
  const organizationOf = async ({ name }: ParsedChannel) => {
    asked.push(name);
    return name === CHANNEL ? "ours" : "foreign";
  };
  await withCounts(organizationOf, async (counts) => {
    const start = (minuteOf(Date.now()) - 5) * MINUTE_MS;
    for (const minute of [0, 0, 1, 3]) counts.count(CHANNEL, start + minute * MINUTE_MS);
    counts.count(OTHER, start);
    equal(asked, []);
    const last = minuteOf(start) + 3;
    equal(await counts.ofMinutes("ours", last, 5), [0, 2, 1, 0, 1]);
    equal(await counts.ofMinutes("foreign", last, 4), [1, 0, 0, 0]);
    equal(await counts.ofMinutes("nobody", last, 2), [0, 0]);
    equal([...new Set(asked)].sort(), [CHANNEL, OTHER]);
    ok(asked.length <= 4, String(asked.length));
  });
});

test("counts that can't be attributed while the database is unavailable are added later", async () => {
  let unavailable = true;
  const organizationOf = async () => {
    if (unavailable) throw new Error("unavailable");
    return "ours";
  };
  await withCounts(organizationOf, async (counts) => {
    const now = Date.now();
    counts.count(CHANNEL, now - 2 * MINUTE_MS);
    counts.count(CHANNEL, now - MINUTE_MS);
    equal(await counts.ofMinutes("ours", minuteOf(now), 3), [0, 0, 0]);
    unavailable = false;
    equal(await counts.ofMinutes("ours", minuteOf(now), 3), [1, 1, 0]);
  });
});

test("a day of counts is kept", () =>
  withCounts(
    async () => "ours",
    async (counts) => {
      const now = Date.now();
      counts.count(CHANNEL, now - 1_500 * MINUTE_MS);
      counts.count(CHANNEL, now - 1_000 * MINUTE_MS);
      const minutes = await counts.ofMinutes("ours", minuteOf(now), 1_600);
      equal([minutes[1_600 - 1 - 1_500], minutes[1_600 - 1 - 1_000]], [0, 1]);
    },
  ));

test("the newest events are kept, newest first, for at most an hour, and removed ones are detected", () => {
  const recent = new Recent<{ at: number; name: string }>(() => "all", 3);
  const names = (now: number) => [...recent.newestFirst("all", now)].map(({ name }) => name);
  for (const [index, name] of ["a", "b", "c"].entries()) recent.add({ at: index, name });
  equal(names(2), ["c", "b", "a"]);
  is(recent.hasForgottenSince(0), false);
  recent.add({ at: 3, name: "d" });
  recent.add({ at: 4, name: "e" });
  equal(names(4), ["e", "d", "c"]);
  equal(
    [0, 1, 2, 3].map((at) => recent.hasForgottenSince(at)),
    [true, true, false, false],
  );
  equal(names(3_600_003), ["e", "d"]);
});

test("events are found by their key, and removed with it", () => {
  const recent = new Recent<{ at: number; key: string }>(({ key }) => key, 4);
  const found = (key: string) => [...recent.newestFirst(key, 0)].map(({ at }) => at);
  for (const [index, key] of ["a", "b", "a", "c", "a", "b"].entries()) recent.add({ at: -index, key });
  equal(["a", "b", "c", "d"].map(found), [[-4, -2], [-5], [-3], []]);
  for (let at = -6; at > -9; at -= 1) recent.add({ at, key: "d" });
  equal(["a", "b", "c", "d"].map(found), [[], [-5], [], [-8, -7, -6]]);
});

test.run();
