import type { BenchDatabase } from "./database.ts";
import type { Figure, Sample } from "./outcome.ts";

/** The context of a case. */
export interface BenchContext {
  rounds: number;
  /** Reports progress on standard error; standard output holds only the result. */
  progress(line: string): void;
  /** A freshly seeded database for this case; the server behind it starts at the first call. */
  database(): Promise<BenchDatabase>;
}

/** One case: it may yield several figures, which are measured in the same rounds. */
export interface BenchCase {
  /** The name for `--only`. */
  name: string;
  description: string;
  figures: readonly Figure[];
  /** The number of rounds unless `--runs` is given. */
  rounds: number;
  /** The samples of each figure, in the order of `figures`. Rejects if the measurement itself fails. */
  measure(context: BenchContext): Promise<Sample[][]>;
}
