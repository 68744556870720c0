import type { ActivityPoint } from "@monster-realtime/client";

/** The range of seconds in which the current minute is used: less is too short, more means that the clocks differ. */
const USABLE_S = { least: 10, most: 65 };

/** Publications per second for each minute. The current minute is included at `readAt` if enough of it has passed. */
export function publicationRates(points: readonly ActivityPoint[], readAt: number): number[] {
  const rates = points.slice(0, -1).map(({ publications }) => publications / 60);
  const running = points.at(-1);
  if (!running) return rates;
  const seconds = (readAt - running.at) / 1_000;
  const isUsable = seconds >= USABLE_S.least && seconds <= USABLE_S.most;
  return isUsable ? [...rates, running.publications / seconds] : rates;
}
