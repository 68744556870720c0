import { median } from "./statistics.ts";

/** The value that a row must reach: its `ratio`, or `ours` without a peer to divide by. */
export interface Target {
  of: "ratio" | "ours";
  comparison: "atLeast" | "atMost" | "below";
  value: number;
  /** The printed form: `≥ 5 ×`. */
  text: string;
}

/** One figure of a case: its name in the table, its unit and its target. */
export interface Figure {
  name: string;
  /** Unit of `ours` and `peer`; printed in the table's header of the row. */
  unit: string;
  target: Target;
}

/** One figure in one round. `peer: null` if the target is absolute. */
export interface Sample {
  ours: number;
  peer: number | null;
  /** Why the round does not count as reached despite its number, for example because the requested load was not produced. */
  fault?: string;
}

/** One line of the result: what `--json` prints. */
export interface Outcome {
  case: string;
  ours: number;
  peer: number | null;
  ratio: number | null;
  target: string;
  met: boolean;
}

/**
 * Sums up the rounds of one figure: medians of ours and of the peer's, and the median of the rounds' ratios.
 * A ratio is computed within a round, in which both ran under the same conditions, never between medians.
 */
export function outcomeOf(figure: Figure, samples: readonly Sample[]): Outcome {
  const ours = median(samples.map((sample) => sample.ours));
  const peers = samples.flatMap((sample) => (sample.peer === null ? [] : [sample.peer]));
  // If the peer's is 0 (no failures, for example) there is nothing to divide by.
  const ratios = samples.flatMap(({ ours, peer }) => (peer === null || peer === 0 ? [] : [ours / peer]));
  const ratio = ratios.length === 0 ? null : median(ratios);
  const faultless = samples.every((sample) => sample.fault === undefined);
  return {
    case: figure.name,
    ours: rounded(ours),
    peer: peers.length === 0 ? null : rounded(median(peers)),
    ratio: ratio === null ? null : rounded(ratio),
    target: figure.target.text,
    met: faultless && reaches(figure.target, figure.target.of === "ratio" ? (ratio ?? Number.NaN) : ours),
  };
}

function reaches(target: Target, value: number): boolean {
  if (target.comparison === "atLeast") return value >= target.value;
  return target.comparison === "atMost" ? value <= target.value : value < target.value;
}

/** Four significant digits: the rest is noise. */
const rounded = (value: number): number => (value >= 1_000 ? Math.round(value) : Number(value.toPrecision(4)));
