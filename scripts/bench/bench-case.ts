import type { BenchDatabase } from "./database.ts";
import type { Figure, Sample } from "./outcome.ts";

/** What every case may use. */
export interface BenchContext {
  rounds: number;
  /** Says on standard error what goes on; standard output holds the result alone. */
  progress(line: string): void;
  /** A freshly seeded database of the case's own; the server behind it is started at the first call. */
  database(): Promise<BenchDatabase>;
}

/** One case: it may yield several figures, which are measured in the same rounds. */
export interface BenchCase {
  /** What `--only` selects. */
  name: string;
  description: string;
  figures: readonly Figure[];
  /** How many rounds it takes unless `--runs` says otherwise. */
  rounds: number;
  /** The samples of each figure, in the order of `figures`. Rejects where measuring itself failed. */
  measure(context: BenchContext): Promise<Sample[][]>;
}
