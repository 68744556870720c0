import type { Sighting, SightingPage } from "./live-connections.ts";

/** Some items in their order, and whether there are more behind the last. */
export interface Part<Item> {
  items: Item[];
  more: boolean;
}

/** Names of channels in one page: what it weighs. A page with more ends before, but holds one connection. */
const MAX_NAMES = 8_192;

/** The first of these, which are sorted, as far as a page takes them. */
export function firstOf(sorted: readonly Sighting[], limit: number): SightingPage {
  let names = 0;
  const end = sorted.findIndex(({ connection }, index) => {
    names += connection.channels.length;
    return index === limit || (index > 0 && names > MAX_NAMES);
  });
  return end < 0 ? { items: [...sorted], more: false } : { items: sorted.slice(0, end), more: true };
}

/** One page of what several nodes have, each of which gave its first ones. */
export function joined(pages: readonly SightingPage[], limit: number): SightingPage {
  const known = knownOf(pages, ({ connection }) => connection.id);
  const { items, more } = firstOf(known.items, limit);
  return { items, more: more || known.more };
}

/** All of what several nodes told, in the order of `keyOf`, up to where each of them told of everything. */
export function knownOf<Item>(parts: readonly Part<Item>[], keyOf: (item: Item) => string): Part<Item> {
  const sorted = parts.flatMap(({ items }) => items).sort((a, b) => compareIds(keyOf(a), keyOf(b)));
  // Behind the end of a page with more, what that node has in between is not known.
  const ends = parts.flatMap(({ items, more }) => (more ? items.slice(-1) : [])).map(keyOf);
  const items = sorted.filter((item) => ends.every((end) => compareIds(keyOf(item), end) <= 0));
  return { items, more: items.length < sorted.length || ends.length > 0 };
}

/** By code units, the same on every node. */
export function compareIds(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
