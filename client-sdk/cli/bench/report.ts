import { type Spread, spreadOf } from "../percentiles.ts";
import type { Outcome } from "./load.ts";

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
