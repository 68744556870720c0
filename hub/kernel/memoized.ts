/**
 * A function that calls `make` once and caches the value. A failure is cached for `retryMs`: calls until then share it, and
 * the next call tries again. `now` is in milliseconds.
 */
export function memoized<Value>(
  make: () => Promise<Value>,
  retryMs: number,
  now: () => number = () => performance.now(),
): () => Promise<Value> {
  let latest: { value: Promise<Value>; failedAt: number | null } | null = null;
  return () => {
    const isOver = latest !== null && latest.failedAt !== null && now() - latest.failedAt >= retryMs;
    if (latest && !isOver) return latest.value;
    const made = { value: make(), failedAt: null as number | null };
    // The callers get the failure itself.
    made.value.catch(() => {
      made.failedAt = now();
    });
    latest = made;
    return made.value;
  };
}
