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

/**
 * A function that runs `read` at most once every `reuseMs`: calls in between share the answer, even while it is pending.
 * Failures are shared in the same way. `now` is in milliseconds.
 */
export function reused<Answer>(
  read: () => Promise<Answer>,
  reuseMs: number,
  now: () => number = () => performance.now(),
): () => Promise<Answer> {
  let latest: { answer: Promise<Answer>; startedAt: number; pending: boolean } | null = null;
  return () => {
    if (latest && (latest.pending || now() - latest.startedAt < reuseMs)) return latest.answer;
    const started = { answer: read(), startedAt: now(), pending: true };
    const settle = () => {
      started.pending = false;
    };
    started.answer.then(settle, settle);
    latest = started;
    return started.answer;
  };
}
