import { useCallback, useEffect, useMemo, useRef, useSyncExternalStore } from "react";
import type { PublishOptions } from "../channels/publisher.ts";
import type { PresenceMetaOf, SubscriptionState } from "../channels/subscription-events.ts";
import { InvalidArgumentError, type RealtimeError } from "../kernel/errors.ts";
import type { Channel, Member, Publication, PublishReply } from "../protocol/index.ts";
import { type ChannelHandlers, channelStore, NO_MEMBERS, NOT_FOLLOWED, type RosterView } from "./channel-store.ts";
import { useClient } from "./provider.ts";
import { type PublicationFilter, Selection } from "./selection.ts";

/** A channel, or null: nothing is followed until the channel is known. */
type MaybeChannel = Channel | null;
const NOTHING: readonly Publication[] = [];
const noUnsubscribe = () => () => undefined;

/** The options of `useChannel()`: what to keep, and the handlers. */
export interface ChannelOptions extends ChannelHandlers {
  /** The number of newest publications to keep. The default is 0. */
  limit?: number;
  /** How many of them may be loaded from the channel's history. */
  history?: number;
}

/** The current state of a channel. */
export interface ChannelView {
  state: SubscriptionState;
  /** The newest `limit` publications, oldest first. The same array until its content changes. */
  publications: readonly Publication[];
  /** Incremented whenever the hub could not recover missed publications: reload earlier data. */
  lost: number;
  error: RealtimeError | null;
  /** Publishes on the channel; see `client.publish()`. */
  publish(type: string, payload: unknown, options?: PublishOptions): Promise<PublishReply>;
}

/**
 * Follows a channel while the component is mounted. Components that follow the same channel share one subscription.
 * The handlers may be new functions at each render.
 */
export function useChannel(channel: MaybeChannel, options: ChannelOptions = {}): ChannelView {
  const client = useClient();
  const { limit = 0, history = 0 } = options;
  const selection = useSelection(channel, null, { limit, history });
  const publications = useSelected(channel, selection);
  const status = useStatus(channel);
  useHandlers(channel, options);
  const publish = useCallback<ChannelView["publish"]>(
    async (type, payload, publishOptions) => {
      if (channel === null) throw new InvalidArgumentError("No channel to publish on: useChannel() got null.");
      return client.publish(channel, type, payload, publishOptions);
    },
    [client, channel],
  );
  return { ...status, publications, publish };
}

/**
 * Returns the newest publications of one type, of several types, or those that a function accepts. A null filter
 * accepts all. Oldest first, at most `limit` (50). Up to `history` of them may be loaded from the channel's history
 * (default 0).
 */
export function usePublications(
  channel: MaybeChannel,
  filter: PublicationFilter = null,
  { limit = 50, history = 0 }: { limit?: number; history?: number } = {},
): readonly Publication[] {
  return useSelected(channel, useSelection(channel, filter, { limit, history }));
}

/**
 * Returns the newest publication of a type, or null before the first. `history` is the number of earlier ones to
 * search.
 */
export function usePublication(
  channel: MaybeChannel,
  filter: PublicationFilter = null,
  { history = 0 }: { history?: number } = {},
): Publication | null {
  const selection = useSelection(channel, filter, { limit: 1, history });
  return useSelected(channel, selection).at(-1) ?? null;
}

/** The current members of a channel. */
export interface PresenceView<Meta extends object = Record<string, unknown>> {
  /** The same array until a member changes. While disconnected, the last known members. */
  members: readonly Member<Meta>[];
  /** Keyed by `workstation:<id>` or `user:<id>`. */
  byKey: ReadonlyMap<string, Member<Meta>>;
  /** False before the first snapshot, while disconnected, and until a gap is closed. */
  synced: boolean;
  error: RealtimeError | null;
}

/** Returns the members present on a channel. */
export function usePresence<Name extends Channel>(channel: Name | null): PresenceView<PresenceMetaOf<Name>> {
  const store = useStore(channel);
  const subscribe = useCallback(
    (changed: () => void) => store?.retain(changed, { presence: true }) ?? noUnsubscribe(),
    [store],
  );
  const roster = useSyncExternalStore(
    subscribe,
    (): RosterView => store?.roster ?? NO_MEMBERS,
    (): RosterView => NO_MEMBERS,
  );
  const { error } = useStatus(channel);
  return { ...roster, error } as unknown as PresenceView<PresenceMetaOf<Name>>;
}

function useStore(channel: MaybeChannel) {
  const client = useClient();
  return useMemo(() => (channel === null ? null : channelStore(client, channel)), [client, channel]);
}

/** Watches the store without retaining it: the calling hook already holds a share. */
function useStatus(channel: MaybeChannel) {
  const store = useStore(channel);
  const subscribe = useCallback((changed: () => void) => store?.watch(changed) ?? noUnsubscribe(), [store]);
  const current = () => store?.status ?? NOT_FOLLOWED;
  return useSyncExternalStore(subscribe, current, () => NOT_FOLLOWED);
}

function useSelection(channel: MaybeChannel, filter: PublicationFilter, options: { limit: number; history: number }) {
  const newest = useRef(filter);
  useEffect(() => {
    newest.current = filter;
  });
  const client = useClient();
  const { limit, history } = options;
  const named = typeof filter === "function" ? "" : JSON.stringify(filter);
  // Another channel, client, type or number of publications creates a new selection.
  // biome-ignore lint/correctness/useExhaustiveDependencies: a selection belongs to the values it was created for.
  return useMemo(
    () => new Selection({ filter: () => newest.current, limit, history }),
    [client, channel, named, limit, history],
  );
}

function useSelected(channel: MaybeChannel, selection: Selection): readonly Publication[] {
  const store = useStore(channel);
  const subscribe = useCallback(
    (changed: () => void) => store?.retain(changed, { selection }) ?? noUnsubscribe(),
    [store, selection],
  );
  return useSyncExternalStore(
    subscribe,
    () => (store ? selection.items : NOTHING),
    () => NOTHING,
  );
}

function useHandlers(channel: MaybeChannel, handlers: ChannelHandlers): void {
  const store = useStore(channel);
  const newest = useRef(handlers);
  useEffect(() => {
    newest.current = handlers;
  });
  useEffect(() => store?.handle(() => newest.current), [store]);
}
