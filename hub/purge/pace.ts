/** How much a batch takes on, and how long the purge rests after it. */
export interface Pace {
  limit: number;
  pauseMs: number;
}

/** What a batch did. */
export interface Batch {
  tookMs: number;
  removed: number;
  /** Milliseconds of rest for each of work. */
  restShare: number;
}

export const FIRST_PACE: Pace = { limit: 100, pauseMs: 0 };
/** What one batch may take: others wait for the processor, and for a pool of one connection, this long at most. */
const TARGET_MS = 10;
const MIN_LIMIT = 20;
const MAX_LIMIT = 500;
/** For each millisecond of work so many of rest, so that a purge takes a fifth of one processor. */
export const DEFAULT_REST_SHARE = 4;
const MIN_PAUSE_MS = 10;
const MAX_PAUSE_MS = 2_000;

/**
 * The pace after a batch that took `tookMs`. Under load a batch takes longer: the next is smaller, and the rest is longer.
 * A batch that removed fewer rows than it might says nothing about larger ones.
 */
export function nextPace({ limit }: Pace, { tookMs, removed, restShare }: Batch): Pace {
  const fitting = Math.round(limit * Math.min(2, Math.max(0.5, TARGET_MS / Math.max(1, tookMs))));
  const wanted = removed < limit && fitting > limit ? limit : fitting;
  return {
    limit: Math.min(MAX_LIMIT, Math.max(MIN_LIMIT, wanted)),
    pauseMs: Math.min(MAX_PAUSE_MS, Math.max(MIN_PAUSE_MS, tookMs * restShare)),
  };
}
