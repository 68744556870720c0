/** Delays in milliseconds and a random source that returns numbers in [0, 1). */
export interface Backoff {
  baseDelayMs: number;
  maxDelayMs: number;
  random: () => number;
}

/**
 * Returns the delay in milliseconds before attempt `attempt` (from 0), with full jitter: a random value between 0 and
 * min(max, base · 2^attempt). Jitter spreads the reconnects of clients that lost a hub at the same time
 * (AWS, "Exponential Backoff And Jitter").
 */
export function backoffDelayMs(attempt: number, { baseDelayMs, maxDelayMs, random }: Backoff): number {
  return Math.floor(random() * Math.min(maxDelayMs, baseDelayMs * 2 ** attempt));
}
