/**
 * Random operations and faults against real hubs, Postgres and Redis. Afterwards the protocol's promises are checked
 * on the clients' observations: `npm run test:invariants -- --runs 200 [--seed=N] [--path=P] [--nodes 2] [--sabotage NAME]`.
 * Exits with 1 if a promise was broken, with the seed that repeats it; with a sabotage, if none was broken.
 */
import { parseArgs } from "node:util";
import fc from "fast-check";
import { unmet } from "../support/needs.ts";
import { TestCluster } from "./nodes.ts";
import { type Operation, operations } from "./operations.ts";
import { run } from "./run.ts";

const { values } = parseArgs({
  options: {
    runs: { type: "string", default: "20" },
    seed: { type: "string" },
    path: { type: "string" },
    nodes: { type: "string", default: "2" },
    sabotage: { type: "string" },
  },
});

async function main(): Promise<void> {
  const nodes = Number(values.nodes);
  const redis = nodes > 1;
  if (redis && unmet(["redis-server"]).length > 0)
    throw new Error("Several nodes need redis-server. Install it, or run with --nodes 1.");
  const sabotage = values.sabotage === undefined ? {} : { preload: `./test/invariants/sabotage/${values.sabotage}.ts` };
  const cluster = await TestCluster.start({ nodes, redis, ...sabotage });
  const startedAt = performance.now();
  let count = 0;
  try {
    const property = fc.asyncProperty(operations({ redis }), async (asked) => {
      const violations = await run(cluster, asked);
      count += 1;
      if (count % 10 === 0) console.log(`${count} runs, ${Math.round((performance.now() - startedAt) / 1_000)} s`);
      if (violations.length > 0) throw new Error([...new Set(violations)].slice(0, 20).join("\n"));
    });
    const details = await fc.check(property, {
      numRuns: Number(values.runs),
      endOnFailure: true,
      ...(values.seed !== undefined && { seed: Number(values.seed) }),
      ...(values.path !== undefined && { path: values.path }),
    });
    report(details);
  } finally {
    await cluster.stop();
  }
}

function report(details: fc.RunDetails<[Operation[]]>): void {
  const { failed, seed, counterexamplePath, counterexample, errorInstance } = details;
  if (failed) {
    for (const operation of counterexample?.[0] ?? []) console.log(`  ${JSON.stringify(operation)}`);
    console.log(errorInstance instanceof Error ? errorInstance.message : String(errorInstance));
    console.log(
      `Again: npm run test:invariants -- --seed=${seed} --path=${counterexamplePath} --nodes ${values.nodes}`,
    );
  } else console.log(`${details.numRuns} runs kept every promise (seed ${seed}).`);
  if (failed !== (values.sabotage !== undefined)) process.exitCode = 1;
  if (values.sabotage !== undefined)
    console.log(failed ? "The sabotage was caught." : "The sabotage was NOT caught: the checks are blind to it.");
}

await main();
