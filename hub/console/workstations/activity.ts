import type { ActivityPoint } from "@monster-realtime/client";

/** Of a running minute: what is shorter tells of chance, what is longer of a clock that is not the hub's. */
const TELLING_S = { least: 10, most: 65 };

/** Publications a second, minute by minute; of the minute that runs by what it has so far, at `readAt`, once that tells something. */
export function publicationRates(points: readonly ActivityPoint[], readAt: number): number[] {
  const rates = points.slice(0, -1).map(({ publications }) => publications / 60);
  const running = points.at(-1);
  if (!running) return rates;
  const seconds = (readAt - running.at) / 1_000;
  const isTelling = seconds >= TELLING_S.least && seconds <= TELLING_S.most;
  return isTelling ? [...rates, running.publications / seconds] : rates;
}
