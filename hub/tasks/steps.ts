/** A list's numbers, counted in the smallest steps that the column (DECIMAL(10, 5)) tells apart: whole numbers. */
export const SCALE = 100_000;
/** The number of a list's first task. */
const FIRST = 1_000 * SCALE;
/** From a task to one that comes behind the last, or before the first. */
const STEP = 10 * SCALE;
/** The column ends at 100,000 on both sides. */
const END = 99_990 * SCALE;
/** What has been spaced anew leaves room for some 16 halvings. */
const ROOMY = 1 * SCALE;

/** A number between these, where null is the open end of the list; null where there is no room. */
export function stepBetween(below: number | null, above: number | null): number | null {
  if (below !== null && above !== null) {
    const middle = Math.floor((below + above) / 2);
    return middle > below && middle < above ? middle : null;
  }
  if (below !== null) return below + STEP <= END ? below + STEP : null;
  if (above !== null) return above - STEP >= -END ? above - STEP : null;
  return FIRST;
}

/**
 * `count` numbers between these, evenly; null where they would be too close to each other. Towards an open end they take
 * half of the room, so that it is not soon full again. With both ends open there is always room.
 */
export function spread(below: number | null, above: number | null, count: number): number[] | null {
  if (below !== null && above !== null) return from(below, Math.floor((above - below) / (count + 1)), count);
  if (below !== null) return from(below, towardsEnd(END - below, count), count);
  if (above !== null) {
    const step = towardsEnd(END + above, count);
    return from(above - step * (count + 1), step, count);
  }
  return from(FIRST - STEP, Math.min(STEP, Math.max(1, towardsEnd(END - FIRST, count))), count, 1);
}

function towardsEnd(room: number, count: number): number {
  return Math.min(STEP, Math.floor(room / 2 / count));
}

function from(below: number, step: number, count: number, roomy = ROOMY): number[] | null {
  return step < roomy ? null : Array.from({ length: count }, (_, place) => below + step * (place + 1));
}
