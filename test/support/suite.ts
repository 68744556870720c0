import { suite as uvuSuite } from "uvu";

const DEFAULT_LIMIT_MS = 20_000;

export interface TimedSuite {
  (name: string, behaviour: () => Promise<void> | void, limitMs?: number): void;
  skip(name: string, reason: string): void;
  run(): void;
}

/** A uvu suite whose tests each have a time limit: uvu itself would wait for ever. */
export function suite(name: string): TimedSuite {
  const inner = uvuSuite(name);
  const test = (behaviour: string, body: () => Promise<void> | void, limitMs = DEFAULT_LIMIT_MS) =>
    inner(behaviour, () => withLimit(body, limitMs));
  return Object.assign(test, {
    skip(behaviour: string, reason: string) {
      console.warn(`SKIPPED: ${name}: ${behaviour}: ${reason}`);
      inner.skip(behaviour, () => undefined);
    },
    run: () => inner.run(),
  });
}

async function withLimit(body: () => Promise<void> | void, limitMs: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not finished within ${limitMs} ms`)), limitMs);
  });
  try {
    await Promise.race([body(), limit]);
  } catch (thrown) {
    // Of anything else uvu tells nothing, and ends.
    throw thrown instanceof Error ? thrown : new Error(`rejected with ${JSON.stringify(thrown)}`, { cause: thrown });
  } finally {
    clearTimeout(timer);
  }
}
