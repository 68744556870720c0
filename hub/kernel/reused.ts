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
