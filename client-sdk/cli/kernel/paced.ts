import { setTimeout as pause } from "node:timers/promises";

interface Pace {
  perSecond: number;
  /** Once aborted, starts no more items and rejects with its reason. */
  signal?: AbortSignal;
}

/**
 * Calls `work` for the items at a fixed rate, concurrently. Rejects with the first failure after all started calls have
 * ended.
 */
export async function paced<Item>(
  items: Iterable<Item>,
  { perSecond, signal }: Pace,
  work: (item: Item) => Promise<void>,
): Promise<void> {
  const begunAt = performance.now();
  const failures: unknown[] = [];
  const begun: Promise<void>[] = [];
  for (const item of items) {
    const waitMs = begunAt + (begun.length * 1000) / perSecond - performance.now();
    // A signal aborted during the pause is handled below.
    if (waitMs > 0) await pause(waitMs, undefined, signal ? { signal } : {}).catch(() => undefined);
    if (signal?.aborted || failures.length > 0) break;
    begun.push(work(item).catch((error: unknown) => void failures.push(error)));
  }
  await Promise.all(begun);
  signal?.throwIfAborted();
  if (failures.length > 0) throw failures[0];
}
