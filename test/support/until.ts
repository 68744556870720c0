const POLL_MS = 5;
/** Ends the wait for a condition that never comes. A test of a promised time states that time. */
const DEFAULT_LIMIT_MS = 15_000;

/**
 * Waits until `condition` returns a truthy value and returns that value; fails after `limitMs` with `what`
 * and the last error of the condition.
 */
export async function until<Value>(
  what: string,
  condition: () => Value | Promise<Value>,
  limitMs = DEFAULT_LIMIT_MS,
): Promise<NonNullable<Value>> {
  const deadline = performance.now() + limitMs;
  let last: unknown;
  for (;;) {
    try {
      const value = await condition();
      if (value) return value;
      last = undefined;
    } catch (error) {
      last = error;
    }
    if (performance.now() > deadline) throw new Error(`${what}: not within ${limitMs} ms`, { cause: last });
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}
