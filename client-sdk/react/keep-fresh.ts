import type { Client } from "../client.ts";
import { InvalidArgumentError, type RealtimeError } from "../errors.ts";
import type { ChangeLeftOut, Channel, EntityChange, Publication } from "../protocol/index.ts";

type QueryKey = readonly unknown[];

/** What is used of TanStack Query's `QueryClient`. */
export interface FreshQueryClient {
  setQueryData(key: QueryKey, update: (cached: unknown) => unknown): unknown;
  invalidateQueries(filters: { queryKey: QueryKey }): Promise<unknown>;
  removeQueries(filters: { queryKey: QueryKey }): void;
}

/** Which rows, and by which keys they are cached. */
export interface KeepFreshOptions {
  channel: Channel;
  /** As types of publications name it: `task`, `agent_session`, … */
  entity: string;
  /** The key that one row is cached by. */
  keyOf(id: string): QueryKey;
  /** The key above all of them, lists too: read anew where rows come or go, and where publications were lost. */
  all: QueryKey;
  /** The key above lists that show what may change in a row: read anew at each change. */
  lists?: QueryKey;
  /** Called where the hub refuses the channel, or ends it: rows are not kept fresh any more. The console's where it is missing. */
  onError?(error: RealtimeError): void;
}

interface Row {
  updatedAt?: unknown;
}

/**
 * Keeps cached rows fresh from `<entity>:created|updated|deleted`: what a change tells is merged into the cached row, unless
 * that is newer; what it only names (large texts) is read anew, and lists where a row came or went. What was cached before
 * is read anew once the channel is followed. Follows it until the returned function is called. Throws InvalidArgumentError
 * for an entity that no type names.
 */
export function keepFresh(queries: FreshQueryClient, client: Client, options: KeepFreshOptions): () => void {
  const { channel, entity, all } = options;
  if (!/^[a-z][a-z0-9_]*$/.test(entity))
    throw new InvalidArgumentError(`entity must be a name such as "task", not "${entity}".`);
  const { onError = logRefusal } = options;
  const subscription = client.subscribe(channel);
  let isStopped = false;
  const readAnew = () => void (isStopped || queries.invalidateQueries({ queryKey: all }));
  const stops = [
    subscription.on("publication", (publication) => apply(queries, options, publication)),
    subscription.on("lost", readAnew),
    subscription.on("error", onError),
  ];
  // Before this moment nobody told of changes; a refusal comes as an "error".
  subscription.ready().then(readAnew, () => undefined);
  return () => {
    isStopped = true;
    for (const stop of stops) stop();
    void subscription.unsubscribe();
  };
}

function apply(queries: FreshQueryClient, options: KeepFreshOptions, { type, payload }: Publication): void {
  const { entity, keyOf, all, lists } = options;
  if (type === "change:left_out") readLeftOut(queries, options, payload as ChangeLeftOut);
  const happened = type.startsWith(`${entity}:`) ? type.slice(entity.length + 1) : null;
  if (happened === null || !["created", "updated", "deleted"].includes(happened)) return;
  const { id, changed, omitted } = payload as EntityChange;
  const queryKey = keyOf(id);
  if (happened === "updated") queries.setQueryData(queryKey, (cached) => merged(cached, changed));
  if (happened === "deleted") queries.removeQueries({ queryKey });
  if (omitted.length > 0) void queries.invalidateQueries({ queryKey });
  if (happened === "updated" && lists) void queries.invalidateQueries({ queryKey: lists });
  if (happened !== "updated") void queries.invalidateQueries({ queryKey: all });
}

/** A change of the row, or of the order of rows, could not be published: what is cached may miss it. */
function readLeftOut(
  queries: FreshQueryClient,
  { entity, keyOf, all, lists }: KeepFreshOptions,
  leftOut: ChangeLeftOut,
) {
  if (leftOut.entity !== entity) return;
  const isOne = leftOut.operation === "updated";
  void queries.invalidateQueries({ queryKey: isOne ? keyOf(leftOut.id) : all });
  if (isOne && lists) void queries.invalidateQueries({ queryKey: lists });
}

/** The cached row with the change in it; the same object where it is not cached, or newer. */
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
