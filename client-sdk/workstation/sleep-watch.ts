/** The readings of two clocks at one moment, in milliseconds. */
export interface Clocks {
  /** The wall clock: it continues while a machine sleeps, and jumps when it is set. */
  wallMs: number;
  /** The clock of `performance.now()`: it stops during sleep on some systems and continues on others. */
  monotonicMs: number;
}

const TICK_MS = 1_000;
/** A busy program runs late too, and does not need a reconnect. */
const TOLERANCE_MS = 3_000;

/**
 * Returns how many milliseconds more than `tickMs` passed between two readings, by the clock that advanced further.
 * Returns 0 if a busy program explains the delay, or if a clock was set back.
 */
export function sleptMs(before: Clocks, after: Clocks, tickMs = TICK_MS, toleranceMs = TOLERANCE_MS): number {
  const elapsedMs = Math.max(after.wallMs - before.wallMs, after.monotonicMs - before.monotonicMs);
  const lateMs = elapsedMs - tickMs;
  return lateMs > toleranceMs ? Math.round(lateMs) : 0;
}

/** Calls `woke` after the machine, or the process, was asleep. Returns the function that stops the watch. */
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
