import type { Sighting, SightingPage } from "./live-connections.ts";

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
  const sorted = pages.flatMap(({ items }) => items).sort((a, b) => compareIds(a.connection.id, b.connection.id));
  // Behind the end of a page with more, what that node has in between is not known.
  const ends = pages.flatMap(({ items, more }) => (more ? items.slice(-1) : [])).map(({ connection }) => connection.id);
  const known = sorted.filter(({ connection }) => ends.every((end) => compareIds(connection.id, end) <= 0));
  const { items, more } = firstOf(known, limit);
  return { items, more: more || known.length < sorted.length || ends.length > 0 };
}

/** By code units, the same on every node. */
export function compareIds(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
