import { equal, ok } from "uvu/assert";
import { randomOf } from "../support/random.ts";
import { suite } from "../support/suite.ts";
import { simulate } from "./simulation.ts";

const test = suite("two publishers of one feed, simulated");
const RUNS = Number(process.env.FEED_SIMULATIONS ?? 60);
const STEPS = 400;

function seeded(seed: number): () => number {
  const next = randomOf(seed);
  return () => next(2 ** 31) / 2 ** 31;
}

test("frozen, killed and late publishers, lost answers and restored databases lose, repeat and reorder nothing", async () => {
  for (let seed = 1; seed <= RUNS; seed += 1) {
    equal(await simulate({ random: seeded(seed), steps: STEPS }), [], `seed ${seed}`);
  }
});

for (const without of ["nonces", "settling up to a failure"] as const) {
  test(`without ${without} it finds an error`, async () => {
    let found = 0;
    for (let seed = 1; seed <= 40 && found === 0; seed += 1) {
      found += (await simulate({ random: seeded(seed), steps: STEPS, without })).length;
    }
    ok(found > 0);
  });
}

test.run();
