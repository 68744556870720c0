import type { NodesHeard, Page } from "../protocol/index.ts";
import type { Output } from "./output.ts";

/** The largest page that the hub gives. */
const PAGE = 200;

/** Items of a list, over as many pages as it took. */
export interface Collected<Item> {
  items: Item[];
  /** Whether there are more than were asked for. */
  hasMore: boolean;
  /** Nodes that did not answer in time, so that theirs are missing. */
  silentNodes: number;
}

export interface PageQuery {
  limit: number;
  cursor?: string;
}

/** Reads page after page until `limit` items are there. */
export async function collect<Item>(
  ask: (query: PageQuery) => Promise<Page<Item> & Partial<NodesHeard>>,
  limit: number,
): Promise<Collected<Item>> {
  const items: Item[] = [];
  let silentNodes = 0;
  let cursor: string | null = null;
  do {
    const query: PageQuery = { limit: Math.min(PAGE, limit - items.length), ...(cursor !== null && { cursor }) };
    const page = await ask(query);
    items.push(...page.items);
    silentNodes = Math.max(silentNodes, page.silentNodes ?? 0);
    cursor = page.nextCursor;
  } while (cursor !== null && items.length < limit);
  return { items, hasMore: cursor !== null, silentNodes };
}

/** Says what a list does not show. */
export function tellWhatIsMissing({ items, hasMore, silentNodes }: Collected<unknown>, output: Output): void {
  if (hasMore) output.say(`There are more than these ${items.length}. See --limit.`);
  if (silentNodes > 0) output.warn(silence(silentNodes));
}

/** That nodes said nothing. */
export const silence = (nodes: number): string =>
  `${nodes === 1 ? "One node" : `${nodes} nodes`} did not answer in time: what ${nodes === 1 ? "it knows" : "they know"} is missing here.`;
