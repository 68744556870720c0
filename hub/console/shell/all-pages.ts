import type { Page } from "@monster-realtime/client";

/** As many as a page may have. */
export const PAGE_LIMIT = 200;

/** Every item of a list, page after page; `read` asks for one of them. */
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
