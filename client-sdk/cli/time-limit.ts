/** A signal that aborts with the reason of another one or, with a `TimeoutError`, when its time is over. */
export interface TimeLimited {
  readonly signal: AbortSignal;
  /** Whether the time was over first. */
  readonly isOver: boolean;
}

/**
 * A signal that aborts with `signal`, and after `ms`. It is not `AbortSignal.any` with `AbortSignal.timeout`: Node 20 may
 * collect a timeout that only such a signal depends on, and what waits for it then waits forever.
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
