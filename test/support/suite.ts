import { suite as uvuSuite } from "uvu";
import { skipLine } from "../../scripts/test-runner/skips.ts";
import { type Need, unmet } from "./needs.ts";

/** Ends a test that hangs. A test that starts several hubs takes half of it while the machine is busy. */
const DEFAULT_LIMIT_MS = 60_000;

type AddTest = (name: string, behaviour: () => Promise<void> | void, limitMs?: number) => void;

export interface TimedSuite {
  (name: string, behaviour: () => Promise<void> | void, limitMs?: number): void;
  /** Adds tests that need more than the suite; they are skipped, by name, if the machine lacks it. */
  needing(...needs: Need[]): AddTest;
  run(): void;
}

/**
 * A uvu suite with a time limit per test, which uvu itself does not have. If the machine lacks one of
 * `needs`, each test is skipped, and the runner prints what to install.
 */
export function suite(name: string, ...needs: Need[]): TimedSuite {
  const inner = uvuSuite(name);
  const needing = (...all: Need[]): AddTest => {
    const lacking = unmet(all);
    if (lacking.length === 0) {
      return (behaviour, body, limitMs = DEFAULT_LIMIT_MS) => inner(behaviour, () => withLimit(body, limitMs));
    }
    return (behaviour) => {
      console.log(skipLine({ needs: lacking, test: `${name}: ${behaviour}` }));
      inner.skip(behaviour, () => undefined);
    };
  };
  return Object.assign(needing(...needs), {
    needing: (...more: Need[]) => needing(...needs, ...more),
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
    throw isShown(thrown) ? thrown : new Error(`rejected with ${shown(thrown)}`, { cause: thrown });
  } finally {
    clearTimeout(timer);
  }
}

/** For anything else uvu shows nothing, and ends the suite: it expects `details` to be a text. */
function isShown(thrown: unknown): thrown is Error {
  return thrown instanceof Error && (!("details" in thrown) || typeof (thrown.details ?? "") === "string");
}

function shown(thrown: unknown): string {
  return thrown instanceof Error ? `${thrown.name}: ${thrown.message}` : JSON.stringify(thrown);
}
