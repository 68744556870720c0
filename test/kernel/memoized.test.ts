import { equal, is } from "uvu/assert";
import { memoized } from "../../hub/kernel/memoized.ts";
import { suite } from "../support/suite.ts";

const test = suite("memoized values");

/** Creates the value that the test decides, and counts the calls. */
function maker(now: () => number) {
  const made: { resolve(value: string): void; reject(error: Error): void }[] = [];
  const get = memoized(() => new Promise<string>((resolve, reject) => made.push({ resolve, reject })), 1_000, now);
  return { made, get };
}

const outcomeOf = (asked: Promise<string>) => asked.catch((error: Error) => error.message);

test("a value is created once, also for calls during its creation", async () => {
  const { made, get } = maker(() => 0);
  const asked = [get(), get()];
  made[0]?.resolve("first");
  equal(await Promise.all([...asked, get()]), ["first", "first", "first"]);
  is(made.length, 1);
});

test("a failure is shared for its time by any number of calls, and never kept for ever", async () => {
  let now = 0;
  const { made, get } = maker(() => now);
  for (let round = 1; round <= 3; round += 1) {
    const asked = [get(), get()];
    // The time counts from the failure, not from the beginning.
    now += 5_000;
    made.at(-1)?.reject(new Error(`failure ${round}`));
    equal(await Promise.all(asked.map(outcomeOf)), [`failure ${round}`, `failure ${round}`]);
    now += 999;
    equal(await Promise.all([outcomeOf(get()), outcomeOf(get())]), [`failure ${round}`, `failure ${round}`]);
    is(made.length, round);
    now += 1;
  }
  const asked = get();
  made.at(-1)?.resolve("at last");
  is(await asked, "at last");
  now += 100_000;
  is(await get(), "at last");
  is(made.length, 4);
});

test.run();
