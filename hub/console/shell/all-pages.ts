import type { Page } from "@monster-realtime/client";

/** The largest page. */
export const PAGE_LIMIT = 200;

/** Returns the items of all pages. `read` requests one page. */
export async function allPages<Item>(read: (cursor: { cursor?: string }) => Promise<Page<Item>>): Promise<Item[]> {
  const items: Item[] = [];
  let page = await read({});
  items.push(...page.items);
  while (page.nextCursor !== null) {
    page = await read({ cursor: page.nextCursor });
    items.push(...page.items);
  }
  return items;
}
