import { Timer } from "../timer.ts";

/** Resolves when `ended` does, or after `limitMs`. */
export async function withLimit(ended: Promise<unknown>, limitMs: number): Promise<void> {
  const timer = new Timer();
  const limit = new Promise<void>((resolve) => timer.set(limitMs, resolve));
  await Promise.race([ended, limit]).finally(() => timer.clear());
}
