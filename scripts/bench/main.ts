import type { BenchCase } from "./bench-case.ts";
import { CASES } from "./cases/index.ts";
import { type BenchCommand, parseCommand, USAGE } from "./command-line.ts";
import { BenchPostgres } from "./database.ts";
import { type Figure, type Outcome, outcomeOf } from "./outcome.ts";
import { formatTable } from "./table.ts";

interface Row {
  figure: Figure;
  outcome: Outcome;
}

process.exitCode = await main();

/** 0 whatever the figures are; 1 where measuring them failed, with what could be measured printed all the same. */
async function main(): Promise<number> {
  const command = readCommand();
  if (command === null) return 1;
  if (command.list) {
    for (const { name, description } of CASES) console.log(`${name.padEnd(12)} ${description}`);
    return 0;
  }
  const selected = CASES.filter(({ name }) => command.only === null || command.only === name);
  const postgres = new BenchPostgres();
  endWith(postgres);
  const rows: Row[] = [];
  let failures = 0;
  try {
    for (const benchCase of selected) {
      await measure(benchCase, command, postgres).then(
        (measured) => rows.push(...measured),
        (error: unknown) => {
          failures += 1;
          say(`${benchCase.name}: not measured:`, error);
        },
      );
    }
  } finally {
    await postgres.close();
  }
  print(rows, command);
  return failures === 0 ? 0 : 1;
}

/** Postgres runs in a process group of its own: Ctrl-C alone would leave it behind. */
function endWith(postgres: BenchPostgres): void {
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    process.once(signal, () => void postgres.close().finally(() => process.exit(1)));
  }
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
  say(`  took ${((performance.now() - begun) / 1_000).toFixed(1)} s`);
  for (const { fault } of samples.flat()) if (fault !== undefined) say(`  does not count: ${fault}`);
  return benchCase.figures.map((figure, index) => ({ figure, outcome: outcomeOf(figure, samples[index] ?? []) }));
}

function print(rows: readonly Row[], { json }: BenchCommand): void {
  if (json)
    console.log(
      JSON.stringify(
        rows.map(({ outcome }) => outcome),
        null,
        2,
      ),
    );
  else console.log(formatTable(rows));
}

function say(...words: unknown[]): void {
  console.error(...words);
}
