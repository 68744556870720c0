import { useCallback, useEffect, useMemo, useRef, useSyncExternalStore } from "react";
import { InvalidArgumentError, type RealtimeError } from "../errors.ts";
import type { Channel, Member, Publication, PublishReply } from "../protocol/index.ts";
import type { PublishOptions } from "../publisher.ts";
import type { PresenceMetaOf, SubscriptionState } from "../subscription-events.ts";
import { type ChannelHandlers, channelStore, NOBODY, NOT_FOLLOWED, type RosterView } from "./channel-store.ts";
import { useClient } from "./provider.ts";
import { type PublicationFilter, Selection } from "./selection.ts";

/** A channel, or null: nothing is followed, as long as it is not known yet which. */
type MaybeChannel = Channel | null;
const NOTHING: readonly Publication[] = [];
const unheard = () => () => undefined;

/** What of a channel to keep, and whom to tell. */
export interface ChannelOptions extends ChannelHandlers {
  /** Publications to keep, the newest ones; 0 where it is missing. */
  limit?: number;
  /** How many of the kept ones may come out of the channel's history. */
  history?: number;
}

/** A channel as it stands. */
export interface ChannelView {
  state: SubscriptionState;
  /** The newest `limit` publications, oldest first; the same array until there is another one. */
  publications: readonly Publication[];
  /** Grows by one whenever the hub could not bridge a time away: load anew what was loaded before. */
  lost: number;
  error: RealtimeError | null;
  /** Publishes on the channel; see `client.publish()`. */
  publish(type: string, payload: unknown, options?: PublishOptions): Promise<PublishReply>;
}

/**
 * Follows a channel for as long as the component is shown. Components that follow the same one share one subscription.
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
      if (channel === null) throw new InvalidArgumentError("There is no channel to publish on: useChannel() got null.");
      return client.publish(channel, type, payload, publishOptions);
    },
    [client, channel],
  );
  return { ...status, publications, publish };
}

/**
 * The newest publications of a type, of several, or of those that a function says yes to; all of them where the filter is
 * null. Oldest first, at most `limit` (50); `history` of them may come out of the channel's history (none).
 */
export function usePublications(
  channel: MaybeChannel,
  filter: PublicationFilter = null,
  { limit = 50, history = 0 }: { limit?: number; history?: number } = {},
): readonly Publication[] {
  return useSelected(channel, useSelection(channel, filter, { limit, history }));
}

/** The newest publication of a type, or null before the first; with `history` it looks among so many that came before. */
export function usePublication(
  channel: MaybeChannel,
  filter: PublicationFilter = null,
  { history = 0 }: { history?: number } = {},
): Publication | null {
  const selection = useSelection(channel, filter, { limit: 1, history });
  return useSelected(channel, selection).at(-1) ?? null;
}

/** Those who are present, as they stand. */
export interface PresenceView<Meta extends object = Record<string, unknown>> {
  /** The same array until a member changes; over a lost connection the last known members. */
  members: readonly Member<Meta>[];
  /** By `workstation:<id>` or `user:<id>`. */
  byKey: ReadonlyMap<string, Member<Meta>>;
  /** False before the first snapshot, while away, and while a gap is being closed. */
  synced: boolean;
  error: RealtimeError | null;
}

/** Who is present on a channel. */
export function usePresence<Name extends Channel>(channel: Name | null): PresenceView<PresenceMetaOf<Name>> {
  const store = useStore(channel);
  const subscribe = useCallback(
    (changed: () => void) => store?.retain(changed, { presence: true }) ?? unheard(),
    [store],
  );
  const roster = useSyncExternalStore(
    subscribe,
    (): RosterView => store?.roster ?? NOBODY,
    (): RosterView => NOBODY,
  );
  const { error } = useStatus(channel);
  return { ...roster, error } as unknown as PresenceView<PresenceMetaOf<Name>>;
}

function useStore(channel: MaybeChannel) {
  const client = useClient();
  return useMemo(() => (channel === null ? null : channelStore(client, channel)), [client, channel]);
}

/** Rides on what another hook retains: by itself it would be one more share. */
function useStatus(channel: MaybeChannel) {
  const store = useStore(channel);
  const subscribe = useCallback((changed: () => void) => store?.watch(changed) ?? unheard(), [store]);
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
  // Another channel, client, type or number of publications begins anew.
  // biome-ignore lint/correctness/useExhaustiveDependencies: a selection belongs to what it was made for.
  return useMemo(
    () => new Selection({ filter: () => newest.current, limit, history }),
    [client, channel, named, limit, history],
  );
}

function useSelected(channel: MaybeChannel, selection: Selection): readonly Publication[] {
  const store = useStore(channel);
  const subscribe = useCallback(
    (changed: () => void) => store?.retain(changed, { selection }) ?? unheard(),
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
