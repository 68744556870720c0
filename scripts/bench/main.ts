import type { BenchCase } from "./bench-case.ts";
import { CASES } from "./cases/index.ts";
import { type BenchCommand, parseCommand, USAGE } from "./command-line.ts";
import { BenchPostgres } from "./database.ts";
import { type Figure, type Outcome, outcomeOf, type Sample } from "./outcome.ts";
import { describeRun, formatRun, type RunDescription } from "./run-description.ts";
import { formatTable } from "./table.ts";

interface Row {
  figure: Figure;
  outcome: Outcome;
}

endOnSignals();
// Exit explicitly: a failed case may have left something open.
process.exit(await main());

/** 0 regardless of the figures; 1 if a case could not be measured, with the others printed. */
async function main(): Promise<number> {
  const command = readCommand();
  if (command === null) return 1;
  if (command.list) {
    for (const { name, description } of CASES) console.log(`${name.padEnd(12)} ${description}`);
    return 0;
  }
  const selected = CASES.filter(({ name }) => command.only === null || command.only === name);
  const postgres = new BenchPostgres();
  const run = describeRun(new Date());
  say(formatRun(run));
  const rows: Row[] = [];
  let failures = 0;
  try {
    for (const benchCase of selected) {
      await measure(benchCase, command, postgres).then(
        (measured) => rows.push(...measured),
        (error: unknown) => {
          failures += 1;
          say(`${benchCase.name}: not measured, so that the run fails:`, error);
        },
      );
    }
  } finally {
    await postgres.close();
  }
  print(run, rows, command);
  return failures === 0 ? 0 : 1;
}

/** All processes of the bench end with it: see servers/keeper.ts. */
function endOnSignals(): void {
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.once(signal, () => process.exit(1));
}

function readCommand(): BenchCommand | null {
  try {
    const names = CASES.map(({ name }) => name);
    return parseCommand(process.argv.slice(2), names);
  } catch (error) {
    say(error instanceof Error ? error.message : error);
    say(USAGE);
    return null;
  }
}

async function measure(benchCase: BenchCase, { runs }: BenchCommand, postgres: BenchPostgres): Promise<Row[]> {
  const begun = performance.now();
  say(`${benchCase.name}: ${benchCase.description}`);
  const samples = await benchCase.measure({
    rounds: runs ?? benchCase.rounds,
    progress: (line) => say(`  ${line}`),
    database: () => postgres.database(),
  });
  assertMeasured(benchCase, samples);
  say(`  took ${((performance.now() - begun) / 1_000).toFixed(1)} s`);
  for (const { fault } of samples.flat()) if (fault !== undefined) say(`  does not count: ${fault}`);
  return benchCase.figures.map((figure, index) => ({ figure, outcome: outcomeOf(figure, samples[index] ?? []) }));
}

/** A figure without a number is no result: the case did not measure it. */
function assertMeasured({ figures }: BenchCase, samples: readonly Sample[][]): void {
  for (const [index, { name }] of figures.entries()) {
    const values = samples[index] ?? [];
    if (values.length === 0 || values.some(({ ours, peer }) => Number.isNaN(ours) || Number.isNaN(peer))) {
      throw new Error(`${name} has rounds without a number: ${JSON.stringify(values)}`);
    }
  }
}

function print(run: RunDescription, rows: readonly Row[], { json }: BenchCommand): void {
  if (json) console.log(JSON.stringify({ run, cases: rows.map(({ outcome }) => outcome) }, null, 2));
  else console.log(`${formatRun(run)}\n${formatTable(rows)}`);
}

function say(...words: unknown[]): void {
  console.error(...words);
}
