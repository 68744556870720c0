/**
 * Sends a hub malicious input, beside the input of honest clients:
 * `npm run test:fuzz -- [--inputs 1000000] [--seed N]`. Exits with 1 if a promise was broken, with the smallest attack that
 * breaks it and the command that repeats it: `npm run test:fuzz -- --again SEED:PATH`.
 */
import { parseArgs } from "node:util";
import { again, type Outcome, run } from "./run.ts";
import { faultsOf, halvesOf } from "./verdict.ts";

const LANES = 12;
const HOUR_MS = 3_600_000;
/** Time limit for shrinking one attack. */
const SHRINK_LIMIT_MS = 120_000;

const { values } = parseArgs({
  options: {
    inputs: { type: "string", default: "1000000" },
    seed: { type: "string" },
    again: { type: "string" },
  },
});

/** Whether the attack broke a promise. */
async function repeat(id: string): Promise<boolean> {
  const found = await again(id, SHRINK_LIMIT_MS);
  if (found === null) {
    console.log(`${id} alone breaks no promise.`);
    return false;
  }
  console.log(found.fault);
  console.log(JSON.stringify(found.attack.actors));
  for (const step of found.attack.steps) console.log(`  ${JSON.stringify(step).slice(0, 2_000)}`);
  console.log(`Again: npm run test:fuzz -- --again ${id}`);
  return true;
}

function report({ inputs, seconds, memory, observer, heldBefore, heldAfter, answers }: Outcome, seed: number): void {
  const halves = halvesOf(memory);
  const used = halves ? `${halves.first.toFixed(1)} MiB, then ${halves.second.toFixed(1)} MiB` : "too few samples";
  console.log(`${inputs} inputs in ${seconds.toFixed(0)} s, seed ${seed}. Memory: ${used}.`);
  console.log(`The observer: ${observer.rounds} rounds, the slowest in ${observer.slowestMs.toFixed(0)} ms.`);
  console.log(`Answers: ${[...answers].map(([code, count]) => `${count} ${code}`).join(", ")}.`);
  console.log(`Held before and after: ${JSON.stringify(heldBefore)}, ${JSON.stringify(heldAfter)}.`);
}

async function main(): Promise<boolean> {
  if (values.again !== undefined) return repeat(values.again);
  const seed = Number(values.seed ?? Date.now() % 2 ** 30);
  const inputs = Number(values.inputs);
  console.log(`Sending ${inputs} inputs, seed ${seed}.`);
  const outcome = await run({ inputs, seed, lanes: LANES, limitMs: HOUR_MS, say: console.log });
  report(outcome, seed);
  const faults = faultsOf(outcome);
  for (const fault of faults) console.log(fault);
  if (outcome.suspects.length > 0) console.log(`It happened during ${outcome.suspects.join(", ")}.`);
  for (const suspect of outcome.suspects) if (await repeat(suspect)) break;
  return faults.length > 0;
}

process.exitCode = (await main()) ? 1 : 0;
