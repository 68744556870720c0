/**
 * Runs presence in simulated time, under faults, and checks its promises after every step:
 * `npm run simulate -- --runs 20000 [--seed 1] [--nodes 2] [--workers 2] [--mutate NAME|all]`. A seed yields the same
 * schedule every time. Prints the timeline of the first schedule that violates a promise, and exits with 1.
 */
import { availableParallelism } from "node:os";
import { parseArgs } from "node:util";
import { MUTATIONS, type Mutation } from "./mutations.ts";
import { type SimulationResult, simulate } from "./simulate.ts";

const { values } = parseArgs({
  options: {
    runs: { type: "string", default: "20000" },
    seed: { type: "string", default: "1" },
    nodes: { type: "string", default: "2" },
    workers: { type: "string", default: String(availableParallelism()) },
    mutate: { type: "string" },
  },
});
const options = {
  runs: Number(values.runs),
  seed: Number(values.seed),
  nodes: Number(values.nodes),
  workers: Number(values.workers),
};

if (values.mutate === undefined) await explore();
else await sabotage(values.mutate === "all" ? MUTATIONS : MUTATIONS.filter(({ name }) => name === values.mutate));

async function explore(): Promise<void> {
  const result = await simulate(options);
  const { violation } = result;
  if (violation) {
    console.log(violation.timeline.join("\n"));
    console.log(`Seed ${violation.seed}: ${violation.violation}`);
    console.log(`Again: npm run simulate -- --seed ${violation.seed} --runs 1 --nodes ${options.nodes}`);
    process.exitCode = 1;
  } else console.log(`No violation in the seeds ${options.seed} to ${options.seed + options.runs - 1}.`);
  console.log(figuresOf(result));
}

/** Each must be caught. */
async function sabotage(mutations: readonly Mutation[]): Promise<void> {
  let caught = 0;
  for (const mutation of mutations) {
    const { violation, schedules } = await simulate({ ...options, mutation });
    if (violation) caught += 1;
    const outcome = violation
      ? `caught after ${schedules} schedules: ${violation.violation.slice(0, 100)}`
      : "survived";
    console.log(`${mutation.name}: ${outcome}`);
  }
  console.log(`${caught} of ${mutations.length} caught`);
  if (caught < mutations.length) process.exitCode = 1;
}

function figuresOf({ schedules, steps, ms }: SimulationResult): string {
  const perMinute = Math.round((schedules / ms) * 60_000);
  return `${schedules} schedules, ${Math.round(steps / schedules)} steps each, ${(ms / 1_000).toFixed(1)} s, ${perMinute} a minute`;
}
