import { EngineClient } from "./engine-client.ts";

/** The clients' tokens and servers. */
export interface Entry {
  url: string;
  token: string;
}

const CONNECTING_AT_ONCE = 100;

/** Connects one client for every token, to each server in turn, a hundred at a time; rejects if one is refused. */
export function connectAll(
  urls: readonly string[],
  tokens: readonly string[],
  localAddress: string,
): Promise<EngineClient[]> {
  return inParallel(tokens, CONNECTING_AT_ONCE, (token, index) =>
    EngineClient.connect({ url: urls[index % urls.length] ?? "", token, localAddress }),
  );
}

/** Maps with at most `width` calls open at a time, results in the order of the items. Rejects with the first failure. */
export async function inParallel<Item, Result>(
  items: readonly Item[],
  width: number,
  work: (item: Item, index: number) => Promise<Result>,
): Promise<Result[]> {
  const results: Result[] = [];
  const queue = items.entries();
  const lane = async () => {
    for (const [index, item] of queue) results[index] = await work(item, index);
  };
  await Promise.all(Array.from({ length: Math.min(width, items.length) }, lane));
  return results;
}
