const AT_ONCE = 64;

/** Runs `work` for each item, so many at once that Redis is busy and nobody waits long behind them. Rejects with the first failure. */
export async function inBatches<Item>(items: readonly Item[], work: (item: Item) => Promise<unknown>): Promise<void> {
  const next = items[Symbol.iterator]();
  const runner = async () => {
    for (let step = next.next(); !step.done; step = next.next()) await work(step.value);
  };
  await Promise.all(Array.from({ length: Math.min(AT_ONCE, items.length) }, runner));
}
