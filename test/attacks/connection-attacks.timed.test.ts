import { CONNECTION_ATTACKS } from "../../scripts/bench/attacks/connection-attacks.ts";
import { suite } from "../support/suite.ts";
import { survives } from "./attacked.ts";

const test = suite("another tenant's work goes on");
const LIMIT_MS = 60_000;

for (const attack of CONNECTION_ATTACKS)
  test(`during ${attack.name}: ${attack.description}`, () => survives(attack), LIMIT_MS);

test.run();
