import type { Sighting, SightingPage } from "./live-connections.ts";

/** Some items in their order, and whether more follow. */
export interface Part<Item> {
  items: Item[];
  more: boolean;
}

/** The most channel names in one page, to bound its size. A page ends before it exceeds this, but holds one connection. */
const MAX_NAMES = 8_192;

/** The first of these sorted connections, as many as fit into a page. */
export function firstOf(sorted: readonly Sighting[], limit: number): SightingPage {
  let names = 0;
  const end = sorted.findIndex(({ connection }, index) => {
    names += connection.channels.length;
    return index === limit || (index > 0 && names > MAX_NAMES);
  });
  return end < 0 ? { items: [...sorted], more: false } : { items: sorted.slice(0, end), more: true };
}

/** One page over several nodes, from the first page of each. */
export function joined(pages: readonly SightingPage[], limit: number): SightingPage {
  const known = knownOf(pages, ({ connection }) => connection.id);
  const { items, more } = firstOf(known.items, limit);
  return { items, more: more || known.more };
}

/** The items of several nodes, in the order of `keyOf`, up to where the list of every node is complete. */
export function knownOf<Item>(parts: readonly Part<Item>[], keyOf: (item: Item) => string): Part<Item> {
  const sorted = parts.flatMap(({ items }) => items).sort((a, b) => compareIds(keyOf(a), keyOf(b)));
  // After the end of a page with more, that node's further items are unknown.
  const ends = parts.flatMap(({ items, more }) => (more ? items.slice(-1) : [])).map(keyOf);
  const items = sorted.filter((item) => ends.every((end) => compareIds(keyOf(item), end) <= 0));
  return { items, more: items.length < sorted.length || ends.length > 0 };
}

/** Compares by code units, the same on every node. */
function compareIds(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
