import type { Outcome, PendingChange, Settlement } from "./change.ts";

/**
 * The changes of a claim that need not be published again. A queue is settled up to its first failed change. Changes
 * behind it that were published are published again with the same id, which the broker ignores.
 */
export function settlementOf(pending: readonly PendingChange[], outcomes: readonly Outcome[]): Settlement {
  const through = new Map<string, string>();
  const stopped = new Set<string>();
  const refused = [];
  for (const [index, { queue, id }] of pending.entries()) {
    const outcome = outcomes[index];
    if (!outcome || outcome.kind === "failed") stopped.add(queue);
    if (!outcome || stopped.has(queue)) continue;
    through.set(queue, id);
    if (outcome.kind === "refused") refused.push({ id: id, code: outcome.code, reason: outcome.reason });
  }
  return { through, refused };
}
