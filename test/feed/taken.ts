import type { Change, Claim } from "../../hub/feed/change.ts";
import { settlementOf } from "../../hub/feed/change-feed.ts";
import type { ChangeFeedStore } from "../../hub/store/feed-store.ts";

export const changesOf = (claim: Claim | null): Change[] => claim?.pending.flatMap(({ change }) => change ?? []) ?? [];

/** Settles a whole claim, as if all of it were published. */
export async function settleAll(store: ChangeFeedStore, { pending }: Claim): Promise<void> {
  const outcomes = pending.map(() => ({ kind: "published" }) as const);
  await store.settle(settlementOf(pending, outcomes));
}

/** Claims once and settles that; null: another one has the turn, or this one may not publish. */
export async function takeOnce(store: ChangeFeedStore, limit: number): Promise<Change[] | null> {
  const claim = await store.claim(limit);
  if (claim) await settleAll(store, claim);
  return claim && changesOf(claim);
}
