import type { Outcome } from "./load.ts";

/** The distribution of values. */
export interface Spread {
  count: number;
  p50: number;
  p95: number;
  p99: number;
  max: number;
}

/** One line of the result. Times in milliseconds. */
export interface Measure {
  measure: string;
  spread: Spread | null;
  perSecond: number | null;
  /** Failed publications and missing deliveries; empty if there are none. */
  trouble: string;
}

/** Converts the result of one load to lines, one per measured time. */
export function measuresOf(outcome: Outcome, { name, subscribers }: { name: string; subscribers: number }): Measure[] {
  const { acknowledgedMs, deliveredMs, lastDeliveredMs, acknowledgedPerSecond, deliveriesPerSecond } = outcome;
  const trouble = troubleOf(outcome);
  const acknowledged = line(`${name}: publish → ack`, acknowledgedMs, acknowledgedPerSecond, trouble);
  const delivered = line(`${name}: publish → delivery`, deliveredMs, deliveriesPerSecond, "");
  if (subscribers < 2) return [acknowledged, delivered];
  return [acknowledged, delivered, line(`${name}: publish → last delivery`, lastDeliveredMs, null, "")];
}

/** The line for the times of the connects. */
export const connectMeasure = (times: readonly number[]): Measure => line("connect → welcome", times, null, "");

function line(measure: string, times: readonly number[], perSecond: number | null, trouble: string): Measure {
  return { measure, spread: spreadOf(times), perSecond, trouble };
}

function troubleOf({ failed, failure, missing }: Outcome): string {
  return [
    ...(failed > 0 ? [`${failed} publications failed (${failure})`] : []),
    ...(missing > 0 ? [`${missing} deliveries are missing`] : []),
  ].join(", ");
}

/** Nearest-rank percentiles, to three decimals; null for no values. */
export function spreadOf(values: readonly number[]): Spread | null {
  if (values.length === 0) return null;
  const sorted = [...values].sort((one, other) => one - other);
  const at = (share: number): number => sorted[Math.max(1, Math.ceil(share * sorted.length)) - 1] ?? 0;
  const rounded = (share: number): number => Math.round(at(share) * 1000) / 1000;
  return { count: sorted.length, p50: rounded(0.5), p95: rounded(0.95), p99: rounded(0.99), max: rounded(1) };
}
