/** Scales `listOrder` to whole numbers: the smallest step of its column, DECIMAL(10, 5), is 1. */
export const SCALE = 100_000;
/** The number of a list's first task. */
const FIRST = 1_000 * SCALE;
/** Distance between the last or first task and one placed beyond it. */
const STEP = 10 * SCALE;
/** The column ends at 100,000 on both sides. */
const END = 99_990 * SCALE;
/** Minimum distance after renumbering: room for about 16 insertions into the same gap. */
const ROOMY = 1 * SCALE;

/** A number between these two, where null is an open end of the list. Returns null if there is no room. */
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
 * `count` evenly spaced numbers between these two. Returns null if they would be too close to each other. Towards an
 * open end they use half of the room, so that it lasts for later tasks. With both ends open there is always room.
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
