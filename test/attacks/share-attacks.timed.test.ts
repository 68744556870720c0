import { SHARE_ATTACKS } from "../../scripts/bench/attacks/share-attacks.ts";
import { suite } from "../support/suite.ts";
import { survives } from "./attacked.ts";

const test = suite("another tenant's work goes on");
const LIMIT_MS = 60_000;

for (const attack of SHARE_ATTACKS)
  test(`during ${attack.name}: ${attack.description}`, () => survives(attack), LIMIT_MS);

test.run();
