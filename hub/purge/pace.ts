/** The size of a batch, and the pause after it. */
export interface Pace {
  limit: number;
  pauseMs: number;
}

/** The result of a batch. */
export interface Batch {
  tookMs: number;
  removed: number;
  /** Milliseconds of rest for each of work. */
  restShare: number;
}

export const FIRST_PACE: Pace = { limit: 100, pauseMs: 0 };
/**
 * Target duration of a batch. Other work waits this long for the processor, and for the only connection of a pool of
 * one.
 */
const TARGET_MS = 10;
const MIN_LIMIT = 20;
const MAX_LIMIT = 500;
/** Milliseconds of rest for each millisecond of work, so that a purge takes a fifth of one processor. */
export const DEFAULT_REST_SHARE = 4;
const MIN_PAUSE_MS = 10;
const MAX_PAUSE_MS = 2_000;

/**
 * The pace after a batch that took `tookMs`. Under load a batch takes longer: the next is smaller, and the rest is
 * longer. A batch that removed fewer rows than its limit does not justify a larger one.
 */
export function nextPace({ limit }: Pace, { tookMs, removed, restShare }: Batch): Pace {
  const fitting = Math.round(limit * Math.min(2, Math.max(0.5, TARGET_MS / Math.max(1, tookMs))));
  const wanted = removed < limit && fitting > limit ? limit : fitting;
  return {
    limit: Math.min(MAX_LIMIT, Math.max(MIN_LIMIT, wanted)),
    pauseMs: Math.min(MAX_PAUSE_MS, Math.max(MIN_PAUSE_MS, tookMs * restShare)),
  };
}
