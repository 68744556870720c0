import type { Client } from "../client/client.ts";
import { InvalidArgumentError, type RealtimeError } from "../kernel/errors.ts";
import type { ChangeLeftOut, Channel, EntityChange, Publication } from "../protocol/index.ts";

type QueryKey = readonly unknown[];

/** The part of TanStack Query's `QueryClient` that is used. */
export interface FreshQueryClient {
  setQueryData(key: QueryKey, update: (cached: unknown) => unknown): unknown;
  invalidateQueries(filters: { queryKey: QueryKey }): Promise<unknown>;
  removeQueries(filters: { queryKey: QueryKey }): void;
}

/** Which rows to keep fresh, and their cache keys. */
export interface KeepFreshOptions {
  channel: Channel;
  /** The entity's name in publication types: `task`, `agent_session`, … */
  entity: string;
  /** Returns the cache key of one row. */
  keyOf(id: string): QueryKey;
  /**
   * The prefix of all keys, including lists. Invalidated when a row is created or deleted, and when publications were
   * lost.
   */
  all: QueryKey;
  /** The prefix of lists that show fields of a row. Invalidated at each change. */
  lists?: QueryKey;
  /**
   * Called if the hub refuses or ends the subscription: rows are no longer kept fresh. Logs to the console by default.
   */
  onError?(error: RealtimeError): void;
}

interface Row {
  updatedAt?: unknown;
}

/**
 * Keeps cached rows fresh from `<entity>:created|updated|deleted`. The changed fields are merged into the cached row
 * unless that is newer. Rows with omitted fields (large texts) are invalidated, and so are lists when a row is created
 * or deleted. Everything cached earlier is invalidated once the subscription is live. Follows the channel until the
 * returned function is called. Throws InvalidArgumentError for an invalid entity name.
 */
export function keepFresh(queries: FreshQueryClient, client: Client, options: KeepFreshOptions): () => void {
  const { channel, entity, all } = options;
  if (!/^[a-z][a-z0-9_]*$/.test(entity))
    throw new InvalidArgumentError(`entity must be a name such as "task", not "${entity}".`);
  const { onError = logRefusal } = options;
  const subscription = client.subscribe(channel);
  let isStopped = false;
  const invalidateAll = () => void (isStopped || queries.invalidateQueries({ queryKey: all }));
  const stops = [
    subscription.on("publication", (publication) => apply(queries, options, publication)),
    subscription.on("lost", invalidateAll),
    subscription.on("error", onError),
  ];
  // Changes before this moment were not received. A refusal arrives as an "error".
  subscription.ready().then(invalidateAll, () => undefined);
  return () => {
    isStopped = true;
    for (const stop of stops) stop();
    void subscription.unsubscribe();
  };
}

function apply(queries: FreshQueryClient, options: KeepFreshOptions, { type, payload }: Publication): void {
  const { entity, keyOf, all, lists } = options;
  if (type === "change:left_out") invalidateLeftOut(queries, options, payload as ChangeLeftOut);
  const operation = type.startsWith(`${entity}:`) ? type.slice(entity.length + 1) : null;
  if (operation === null || !["created", "updated", "deleted"].includes(operation)) return;
  const { id, changed, omitted } = payload as EntityChange;
  const queryKey = keyOf(id);
  if (operation === "updated") queries.setQueryData(queryKey, (cached) => merged(cached, changed));
  if (operation === "deleted") queries.removeQueries({ queryKey });
  if (omitted.length > 0) void queries.invalidateQueries({ queryKey });
  if (operation === "updated" && lists) void queries.invalidateQueries({ queryKey: lists });
  if (operation !== "updated") void queries.invalidateQueries({ queryKey: all });
}

/** Invalidates the cache after a change of a row, or of the order of rows, that could not be published. */
function invalidateLeftOut(
  queries: FreshQueryClient,
  { entity, keyOf, all, lists }: KeepFreshOptions,
  leftOut: ChangeLeftOut,
) {
  if (leftOut.entity !== entity) return;
  const isOne = leftOut.operation === "updated";
  void queries.invalidateQueries({ queryKey: isOne ? keyOf(leftOut.id) : all });
  if (isOne && lists) void queries.invalidateQueries({ queryKey: lists });
}

/** Merges the change into the cached row. Returns the same object if the row is not cached or is newer. */
function merged(cached: unknown, changed: Row): unknown {
  if (typeof cached !== "object" || cached === null) return cached;
  const { updatedAt } = cached as Row;
  const isOlder =
    typeof updatedAt === "string" && typeof changed.updatedAt === "string" && changed.updatedAt <= updatedAt;
  return isOlder ? cached : { ...cached, ...changed };
}

function logRefusal(error: RealtimeError): void {
  console.error("Monster Realtime: keepFresh:", error);
}
