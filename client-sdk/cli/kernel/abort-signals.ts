/** Rejects with the signal's reason once it is aborted. Never resolves. */
export function untilAborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason);
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  });
}

/** A signal that aborts with the reason of another signal, or with a `TimeoutError` when its time is over. */
export interface TimeLimited {
  readonly signal: AbortSignal;
  /** Whether the time limit came first. */
  readonly isOver: boolean;
}

/**
 * Returns a signal that aborts with `signal` or after `ms`. `AbortSignal.any` with `AbortSignal.timeout` would not
 * work: Node 20 may garbage-collect a timeout that only such a signal references, and its waiters then wait forever.
 */
export function withTimeLimit(signal: AbortSignal, ms: number): TimeLimited {
  const limited = new AbortController();
  const over = new DOMException("The time is over.", "TimeoutError");
  const timer = setTimeout(() => limited.abort(over), ms).unref();
  const abort = () => {
    clearTimeout(timer);
    limited.abort(signal.reason);
  };
  if (signal.aborted) abort();
  else signal.addEventListener("abort", abort, { once: true, signal: limited.signal });
  return {
    signal: limited.signal,
    get isOver() {
      return limited.signal.reason === over;
    },
  };
}
