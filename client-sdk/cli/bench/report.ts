import { type Spread, spreadOf } from "../percentiles.ts";
import type { Outcome } from "./load.ts";

/** One line of what was measured. Times in milliseconds. */
export interface Measure {
  measure: string;
  spread: Spread | null;
  perSecond: number | null;
  /** Whatever was not as it should be; empty where all was. */
  trouble: string;
}

/** What one load showed, a line for each thing that was timed. */
export function measuresOf(outcome: Outcome, { name, subscribers }: { name: string; subscribers: number }): Measure[] {
  const { acknowledgedMs, deliveredMs, lastDeliveredMs, acknowledgedPerSecond, deliveriesPerSecond } = outcome;
  const trouble = troubleOf(outcome);
  const acknowledged = line(`${name}: publish → ack`, acknowledgedMs, acknowledgedPerSecond, trouble);
  const delivered = line(`${name}: publish → delivery`, deliveredMs, deliveriesPerSecond, "");
  if (subscribers < 2) return [acknowledged, delivered];
  return [acknowledged, delivered, line(`${name}: publish → last delivery`, lastDeliveredMs, null, "")];
}

/** How long connects took. */
export const connectMeasure = (times: readonly number[]): Measure => line("connect → welcome", times, null, "");

function line(measure: string, times: readonly number[], perSecond: number | null, trouble: string): Measure {
  return { measure, spread: spreadOf(times), perSecond, trouble };
}

function troubleOf({ failed, failure, missing }: Outcome): string {
  return [
    ...(failed > 0 ? [`${failed} publications failed (${failure})`] : []),
    ...(missing > 0 ? [`${missing} deliveries never came`] : []),
  ].join(", ");
}
