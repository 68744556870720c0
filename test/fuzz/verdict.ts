import type { Outcome } from "./run.ts";

/** The maximum growth of memory from the first half of a run to the second. */
const GROWTH_FACTOR = 1.1;
const GROWTH_MEBIBYTES = 8;

export interface Halves {
  first: number;
  second: number;
}

/** The medians of the first half, without its beginning (caches fill), and of the second. Null if there are too few samples. */
export function halvesOf(memory: readonly number[]): Halves | null {
  const warm = memory.slice(Math.floor(memory.length / 8));
  if (warm.length < 4) return null;
  const middle = Math.floor(warm.length / 2);
  return { first: median(warm.slice(0, middle)), second: median(warm.slice(middle)) };
}

/** All faults of a run, in sentences. */
export function faultsOf({ fault, memory, heldBefore, heldAfter }: Outcome): string[] {
  if (fault !== null) return [fault];
  const faults: string[] = [];
  const halves = halvesOf(memory);
  if (halves && halves.second > halves.first * GROWTH_FACTOR + GROWTH_MEBIBYTES) {
    faults.push(
      `Memory grew from ${halves.first.toFixed(1)} MiB in the first half to ${halves.second.toFixed(1)} MiB in the second.`,
    );
  }
  for (const what of ["connections", "transports", "sockets"] as const) {
    const spare = what === "sockets" ? 2 : 0;
    if (heldAfter[what] > heldBefore[what] + spare) {
      faults.push(`The hub still holds ${heldAfter[what]} ${what}; before the run it held ${heldBefore[what]}.`);
    }
  }
  return faults;
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}
