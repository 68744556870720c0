/** What two clocks showed at one moment, in milliseconds. */
export interface Clocks {
  /** The time of day: goes on while a machine sleeps, and jumps where it is set. */
  wallMs: number;
  /** Of `performance.now()`: stands still in sleep on some systems, goes on on others. */
  monotonicMs: number;
}

const TICK_MS = 1_000;
/** A busy program is late too, and need not reconnect for that. */
const TOLERANCE_MS = 3_000;

/**
 * How much longer it was than `tickMs` between two moments, by the clock that went further, in milliseconds: 0 where that is
 * no more than a busy program is late, or a clock was set back.
 */
export function sleptMs(before: Clocks, after: Clocks, tickMs = TICK_MS, toleranceMs = TOLERANCE_MS): number {
  const elapsedMs = Math.max(after.wallMs - before.wallMs, after.monotonicMs - before.monotonicMs);
  const lateMs = elapsedMs - tickMs;
  return lateMs > toleranceMs ? Math.round(lateMs) : 0;
}

/** Calls `woke` when the machine, or the process, was asleep. Gives the function that ends the watch. */
export function watchSleep(woke: (sleptMs: number) => void): () => void {
  let before = readClocks();
  const timer = setInterval(() => {
    const after = readClocks();
    const slept = sleptMs(before, after);
    before = after;
    if (slept > 0) woke(slept);
  }, TICK_MS);
  return () => clearInterval(timer);
}

function readClocks(): Clocks {
  return { wallMs: Date.now(), monotonicMs: performance.now() };
}
