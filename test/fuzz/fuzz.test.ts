import { equal, ok } from "uvu/assert";
import { suite } from "../support/suite.ts";
import { run } from "./run.ts";
import { faultsOf } from "./verdict.ts";

const test = suite("a hub under attack");

test("survives malicious input, and answers everything else", async () => {
  const seed = Date.now() % 2 ** 30;
  const outcome = await run({ inputs: 1_000_000, seed, lanes: 4, limitMs: 8_000, say: () => undefined });
  const again = `seed ${seed}; npm run test:fuzz -- --again ${outcome.suspects.join(" or ")}`;
  equal(faultsOf(outcome), [], again);
  ok(outcome.inputs > 100, `${outcome.inputs} inputs were sent`);
}, 180_000);

test.run();
