import fc from "fast-check";
import { is, ok } from "uvu/assert";
import { ByteBudget } from "../../hub/socket/byte-budget.ts";
import { suite } from "../support/suite.ts";

const test = suite("byte budget");

const PER_SECOND = 1_000;

test("a second's worth may arrive as a burst; beyond it reading pauses until the bytes are paid for", () => {
  const budget = new ByteBudget();
  is(budget.spend(1_000, PER_SECOND, 5_000), 0);
  is(budget.spend(1, PER_SECOND, 5_000), 1);
  is(budget.spend(100, PER_SECOND, 5_001), 100);
  is(budget.spend(100, PER_SECOND, 5_101), 100);
  is(budget.spend(3_500, PER_SECOND, 5_201), 3_500);
});

test("the budget refills steadily up to one second's worth", () => {
  const budget = new ByteBudget();
  budget.spend(1_500, PER_SECOND, 5_000);
  is(budget.spend(300, PER_SECOND, 5_800), 0);
  is(budget.spend(1, PER_SECOND, 5_800), 1);
  is(budget.spend(1_000, PER_SECOND, 60_000), 0);
  is(budget.spend(1, PER_SECOND, 60_000), 1);
});

test("budgets that are exhausted at different times are read at different times", () => {
  const pauses = [0, 10, 20].map((delay) => {
    const budget = new ByteBudget();
    return 5_000 + delay + budget.spend(1_100, PER_SECOND, 5_000 + delay);
  });
  is(new Set(pauses).size, 3);
});

test("a client that always has more exhausts its budget without a break", () => {
  const budget = new ByteBudget();
  let now = 5_000;
  budget.spend(1_000, PER_SECOND, now);
  while (now < 15_000) now += budget.spend(64, PER_SECOND, now);
  ok(budget.exhaustedMs(now) >= 9_900, String(budget.exhaustedMs(now)));
});

test("a steady fifth over the budget is without a break too, in bursts or not", () => {
  for (const [bytes, everyMs] of [
    [1_200, 1_000],
    [12, 10],
  ] as const) {
    const budget = new ByteBudget();
    for (let now = 0; now <= 30_000; now += everyMs) budget.spend(bytes, PER_SECOND, now);
    ok(budget.exhaustedMs(30_000) > 10_000, `${bytes} bytes every ${everyMs} ms`);
  }
});

test("half a second within the budget is a break, with or without bytes", () => {
  const budget = new ByteBudget();
  is(budget.spend(2_000, PER_SECOND, 5_000), 1_000);
  is(budget.exhaustedMs(6_400), 1_400);
  is(budget.exhaustedMs(6_600), 0);
  is(budget.spend(1_000, PER_SECOND, 6_600), 400);
  is(budget.exhaustedMs(6_700), 100);
});

test("one burst over the budget and a steady 95 % of it afterwards is never exhausted for long", () => {
  const budget = new ByteBudget();
  budget.spend(1_020, PER_SECOND, 0);
  let longest = 0;
  for (let now = 10; now < 60_000; now += 10) {
    budget.spend(9.5, PER_SECOND, now);
    longest = Math.max(longest, budget.exhaustedMs(now));
  }
  ok(longest < 3_000, String(longest));
});

test("within the budget nothing is exhausted", () => {
  fc.assert(
    fc.property(fc.array(fc.nat({ max: 100 }), { minLength: 1, maxLength: 200 }), (chunks) => {
      const budget = new ByteBudget();
      let now = 10_000;
      for (const chunk of chunks) {
        now += chunk;
        is(budget.spend(chunk, PER_SECOND, now), 0);
      }
      is(budget.exhaustedMs(now), 0);
    }),
  );
});

test("a reader that obeys its pauses never reads more than the budget, one second's worth and one chunk", () => {
  fc.assert(
    fc.property(fc.array(fc.nat({ max: 2_500 }), { minLength: 1, maxLength: 60 }), (chunks) => {
      const budget = new ByteBudget();
      let [now, read] = [10_000, 0];
      for (const chunk of chunks) {
        read += chunk;
        now += budget.spend(chunk, PER_SECOND, now) + 1;
        const most = now - 10_000 + PER_SECOND + chunk;
        ok(read <= most, `${read} bytes, not ${most}`);
      }
    }),
  );
});

test.run();
