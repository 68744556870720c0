import type { NodesHeard, Page } from "../../protocol/index.ts";
import type { Output } from "../terminal/output.ts";

/** The largest page that the hub returns. */
const PAGE = 200;

/** The items of all requested pages of a list. */
export interface Collected<Item> {
  items: Item[];
  /** Whether the list has more items. */
  hasMore: boolean;
  /** The number of nodes that did not answer in time. Their items are missing. */
  silentNodes: number;
}

export interface PageQuery {
  limit: number;
  cursor?: string;
}

/** Reads pages until there are `limit` items. */
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

/** Reports what a list does not show. */
export function warnAboutMissing({ items, hasMore, silentNodes }: Collected<unknown>, output: Output): void {
  if (hasMore) output.say(`Only the first ${items.length} are shown. Raise --limit to see more.`);
  if (silentNodes > 0) output.warn(silentNodesWarning(silentNodes));
}

/** The warning for nodes that did not answer. */
export const silentNodesWarning = (nodes: number): string =>
  `${nodes === 1 ? "One node" : `${nodes} nodes`} did not answer in time: ${nodes === 1 ? "its" : "their"} data is missing here.`;
