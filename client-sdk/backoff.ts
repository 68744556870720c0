/** Milliseconds and a source of numbers in [0, 1). */
export interface Backoff {
  baseDelayMs: number;
  maxDelayMs: number;
  random: () => number;
}

/**
 * Milliseconds to wait before try number `attempt` (from 0) with full jitter: anywhere between nothing and
 * min(max, base · 2^attempt), so that clients that lost a hub together don't come back together
 * (AWS, "Exponential Backoff And Jitter").
 */
export function backoffDelayMs(attempt: number, { baseDelayMs, maxDelayMs, random }: Backoff): number {
  return Math.floor(random() * Math.min(maxDelayMs, baseDelayMs * 2 ** attempt));
}
