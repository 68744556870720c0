import fc from "fast-check";
import { is, ok } from "uvu/assert";
import { ByteBudget } from "../../hub/socket/byte-budget.ts";
import { suite } from "../support/suite.ts";

const test = suite("byte budget");

const PER_SECOND = 1_000;

test("reading pauses at the budget until the second is over", () => {
  const budget = new ByteBudget();
  is(budget.spend(999, PER_SECOND, 5_100), 0);
  is(budget.spend(1, PER_SECOND, 5_400), 600);
  is(budget.spend(1, PER_SECOND, 6_000), 0);
});

test("what is spent beyond the budget is taken from the seconds after", () => {
  const budget = new ByteBudget();
  is(budget.spend(3_500, PER_SECOND, 5_000), 3_000);
  is(budget.spend(400, PER_SECOND, 8_000), 0);
  is(budget.spend(100, PER_SECOND, 8_250), 750);
});

test("seconds in a row that use up their budget are counted, and one that does not ends the row", () => {
  const budget = new ByteBudget();
  for (let second = 1; second <= 5; second += 1) {
    budget.spend(PER_SECOND, PER_SECOND, second * 1_000);
    is(budget.exhaustedSeconds, second);
  }
  budget.spend(1, PER_SECOND, 6_000);
  is(budget.exhaustedSeconds, 5, "the sixth may still be used up");
  budget.spend(1, PER_SECOND, 7_000);
  is(budget.exhaustedSeconds, 0);
});

test("a large frame uses up the seconds that pay for it", () => {
  const budget = new ByteBudget();
  budget.spend(3_000, PER_SECOND, 1_000);
  budget.spend(0, PER_SECOND, 3_999);
  is(budget.exhaustedSeconds, 3);
});

test("a reader that pauses as it is told never reads more than the budget and one chunk", () => {
  fc.assert(
    fc.property(fc.array(fc.nat({ max: 2_500 }), { minLength: 1, maxLength: 60 }), (chunks) => {
      const budget = new ByteBudget();
      let [now, read] = [10_000, 0];
      for (const chunk of chunks) {
        read += chunk;
        now += budget.spend(chunk, PER_SECOND, now) + 1;
        const seconds = Math.floor(now / 1_000) - 10 + 1;
        ok(read <= seconds * PER_SECOND + chunk, `${read} bytes in ${seconds} s`);
      }
    }),
  );
});

test.run();
