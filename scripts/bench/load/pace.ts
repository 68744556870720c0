/**
 * Calls `step` `count` times, evenly over `durationMs`. All calls that are due in one tick of the timer run in it, and
 * a late tick catches up. Resolves after the last call, without waiting for what the calls started.
 */
export function pace(count: number, durationMs: number, step: (index: number) => void): Promise<void> {
  const begun = performance.now();
  let done = 0;
  return new Promise((resolve) => {
    const tick = () => {
      const due = Math.min(count, Math.floor(((performance.now() - begun) / durationMs) * count) + 1);
      while (done < due) step(done++);
      if (done < count) setTimeout(tick, 1);
      else resolve();
    };
    tick();
  });
}
