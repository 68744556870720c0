/** True with probability `share`, from 0 to 1. */
export function chance(share: number): boolean {
  return Math.random() < share;
}

export function between(least: number, most: number): number {
  return least + Math.random() * (most - least);
}

/** A random item; undefined if there is none. */
export function anyOf<Item>(items: readonly Item[]): Item | undefined {
  return items[Math.floor(Math.random() * items.length)];
}
