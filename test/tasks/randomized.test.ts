import fc from "fast-check";
import { ok } from "uvu/assert";
import { suite } from "../support/suite.ts";
import { run, type Scenario } from "./randomized/run.ts";
import type { Behaviour } from "./randomized/workstation.ts";

const test = suite("randomized dispatch");
const LIMIT_MS = 180_000;
const WORKSTATIONS = 20;
const TASKS = 60;
/** Set both to repeat a failed case. */
const { SEED, RUNS } = process.env;

const BEHAVIOURS: readonly Behaviour[] = [
  "work",
  "refuse",
  "limit",
  "fail",
  "sleep",
  "crash",
  "finish_twice",
  "start_twice",
];

const scenarios: fc.Arbitrary<Scenario> = fc.record({
  workstations: fc.constant(WORKSTATIONS),
  agents: fc
    .array(fc.integer({ min: 1, max: 3 }), { minLength: WORKSTATIONS, maxLength: WORKSTATIONS + 5 })
    .map((limits) => limits.map((limit, n) => ({ workstation: n % WORKSTATIONS, limit }))),
  repositoryLimits: fc.array(fc.integer({ min: 0, max: 4 }), { minLength: 2, maxLength: 2 }),
  tasks: fc
    .array(
      fc.record({
        priority: fc.integer({ min: 1, max: 5 }),
        repository: fc.option(fc.nat(1)),
        allowed: fc.oneof(
          { weight: 4, arbitrary: fc.constant([]) },
          { weight: 1, arbitrary: fc.uniqueArray(fc.nat(WORKSTATIONS - 1), { minLength: 1, maxLength: 3 }) },
        ),
        waits: fc.oneof(
          { weight: 4, arbitrary: fc.constant(0) },
          { weight: 1, arbitrary: fc.integer({ min: 1, max: 5 }) },
        ),
      }),
      { minLength: TASKS, maxLength: TASKS },
    )
    .map((tasks) =>
      tasks.map(({ waits, ...task }, n) => ({ ...task, after: waits > 0 && n >= waits ? n - waits : null })),
    ),
  behaviours: fc.array(fc.array(fc.constantFrom(...BEHAVIOURS), { maxLength: 3 }), {
    minLength: WORKSTATIONS,
    maxLength: WORKSTATIONS,
  }),
});

test(
  "two hubs assign every task to one agent at a time, within all limits, best first, until all are done, for any workstation behaviour",
  () =>
    fc.assert(
      fc.asyncProperty(scenarios, async (scenario) => {
        const violations = await run(scenario);
        if (violations.length > 0) throw new Error(violations.slice(0, 20).join("\n"));
      }),
      {
        numRuns: Number(RUNS ?? 3),
        endOnFailure: true,
        includeErrorInReport: true,
        ...(SEED === undefined ? {} : { seed: Number(SEED) }),
      },
    ),
  Number(RUNS ?? 3) * LIMIT_MS,
);

test(
  "a run without locks is detected",
  async () => {
    const agents = Array.from({ length: WORKSTATIONS }, (_, workstation) => ({ workstation, limit: 1 }));
    const task = { priority: 3, repository: 0, allowed: [], after: null };
    const tasks = Array.from({ length: TASKS }, () => task);
    const scenario = { workstations: WORKSTATIONS, agents, repositoryLimits: [1], tasks, behaviours: [] };
    ok((await run(scenario, { sabotaged: true })).length > 0);
  },
  LIMIT_MS,
);

test.run();
