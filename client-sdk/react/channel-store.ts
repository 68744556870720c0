import type { Subscription } from "../channels/subscription.ts";
import type { SubscriptionState } from "../channels/subscription-events.ts";
import type { Client } from "../client/client.ts";
import type { RealtimeError } from "../kernel/errors.ts";
import type { Channel, Member, Publication, StreamPosition } from "../protocol/index.ts";
import type { Selection } from "./selection.ts";

/** The state of a channel's subscription. */
export interface ChannelStatus {
  readonly state: SubscriptionState;
  /**
   * How often the hub could not recover the publications of a disconnection. Each time, the application must reload its
   * data.
   */
  readonly lost: number;
  /** Why the hub refused or ended the subscription, or a part of it. Null if there is no error. */
  readonly error: RealtimeError | null;
}

/** The members present on a channel. */
export interface RosterView {
  /** The same array until a member changes. While disconnected the last known members stay. */
  readonly members: readonly Member[];
  /** Keyed by `workstation:<id>` or `user:<id>`. */
  readonly byKey: ReadonlyMap<string, Member>;
  /** False before the first snapshot, while disconnected, and until a gap is closed. */
  readonly synced: boolean;
}

/** Callbacks of a component, in addition to its rendering. */
export interface ChannelHandlers {
  onPublication?(publication: Publication): void;
  onRecovered?(recovered: { position: StreamPosition; publications: number }): void;
  onLost?(lost: { previous: StreamPosition; position: StreamPosition }): void;
}

export const NOT_FOLLOWED: ChannelStatus = { state: { name: "pending" }, lost: 0, error: null };
export const NO_MEMBERS: RosterView = { members: [], byKey: new Map(), synced: false };

/** Keeps a subscription while components unmount and mount quickly (StrictMode, a page change). */
const KEEP_MS = 1_000;

/** One reference to the client's subscription, shared by the components that use it. */
class Share {
  readonly #open: () => Subscription;
  #holders = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  subscription: Subscription | null = null;

  constructor(open: () => Subscription) {
    this.#open = open;
  }

  take(): void {
    this.#holders += 1;
    clearTimeout(this.#timer);
    const ended = this.subscription === null || this.subscription.state.name === "ended";
    if (ended) this.subscription = this.#open();
  }

  /** Calls `ended` when no component has used it for a while. */
  release(ended: () => void): void {
    this.#holders -= 1;
    if (this.#holders > 0) return;
    this.#timer = setTimeout(() => {
      void this.subscription?.unsubscribe();
      this.subscription = null;
      ended();
    }, KEEP_MS);
  }
}

/**
 * One channel of one client for all components that follow it. State changes first and listeners run afterwards, so
 * that two components never show two states of one channel.
 */
export class ChannelStore {
  status: ChannelStatus = NOT_FOLLOWED;
  roster: RosterView = NO_MEMBERS;
  readonly #plain: Share;
  readonly #withPresence: Share;
  readonly #listeners = new Set<{ call: () => void }>();
  readonly #selections = new Map<Selection, number>();
  readonly #handlers = new Set<() => ChannelHandlers>();
  #subscription: Subscription | null = null;
  #watched: Subscription["presence"] = null;
  #stop: (() => void)[] = [];
  #arrived: Publication[] = [];
  #scheduled = false;

  constructor(client: Client, channel: Channel) {
    this.#plain = new Share(() => this.#follow(client.subscribe(channel) as unknown as Subscription));
    this.#withPresence = new Share(() =>
      this.#follow(client.subscribe(channel, { presence: true }) as unknown as Subscription),
    );
  }

  /** Calls `listener` at each change. It does not subscribe to the channel. */
  watch(listener: () => void): () => void {
    const entry = { call: listener };
    this.#listeners.add(entry);
    return () => void this.#listeners.delete(entry);
  }

  /** Follows the channel, and calls `listener` at each change, until the returned function is called. */
  retain(listener: () => void, wanted: { presence?: boolean; selection?: Selection | null } = {}): () => void {
    const share = wanted.presence ? this.#withPresence : this.#plain;
    const unwatch = this.watch(listener);
    if (wanted.selection) this.#select(wanted.selection, 1);
    share.take();
    return () => {
      unwatch();
      if (wanted.selection) this.#select(wanted.selection, -1);
      share.release(() => this.#rest());
    };
  }

  /** Calls the component's current handlers until the returned function is called. */
  handle(handlers: () => ChannelHandlers): () => void {
    this.#handlers.add(handlers);
    return () => void this.#handlers.delete(handlers);
  }

  #select(selection: Selection, by: number): void {
    const holders = (this.#selections.get(selection) ?? 0) + by;
    if (holders > 0) this.#selections.set(selection, holders);
    else this.#selections.delete(selection);
    if (by > 0 && this.#subscription) selection.follow(this.#subscription, () => this.#schedule());
  }

  /** Resets the store, so that a later subscriber does not see the last state of the old subscription. */
  #rest(): void {
    if (this.#plain.subscription || this.#withPresence.subscription) return;
    for (const stop of this.#stop) stop();
    this.#stop = [];
    this.#subscription = null;
    this.#watched = null;
    this.#arrived = [];
    this.status = NOT_FOLLOWED;
    this.roster = NO_MEMBERS;
  }

  /** Both shares use the same subscription, unless it ended in between. */
  #follow(subscription: Subscription): Subscription {
    if (subscription === this.#subscription) {
      this.#watchRoster(subscription);
      return subscription;
    }
    for (const stop of this.#stop) stop();
    this.#subscription = subscription;
    this.status = { ...NOT_FOLLOWED, lost: this.status.lost };
    this.#stop = [
      subscription.on("publication", (publication) => this.#take(publication)),
      subscription.on("recovered", (recovered) => this.#callHandlers((handlers) => handlers.onRecovered?.(recovered))),
      subscription.on("lost", (lost) => {
        this.status = { ...this.status, lost: this.status.lost + 1 };
        this.#callHandlers((handlers) => handlers.onLost?.(lost));
      }),
      subscription.on("error", (error) => {
        this.status = { ...this.status, error };
        this.#schedule();
      }),
      subscription.on("state", () => this.#schedule()),
    ];
    this.#watchRoster(subscription);
    for (const selection of this.#selections.keys()) selection.follow(subscription, () => this.#schedule());
    this.#schedule();
    return subscription;
  }

  #watchRoster({ presence }: Subscription): void {
    if (!presence || this.#watched === presence) return;
    this.#watched = presence;
    const changed = () => this.#schedule();
    for (const name of ["sync", "join", "update", "leave"] as const) this.#stop.push(presence.on(name, changed));
    this.#schedule();
  }

  #take(publication: Publication): void {
    this.#arrived.push(publication);
    this.#callHandlers((handlers) => handlers.onPublication?.(publication));
  }

  /**
   * Calls the handlers of every component. The first error is thrown after all were called and becomes the client's
   * "error" event.
   */
  #callHandlers(call: (handlers: ChannelHandlers) => void): void {
    this.#schedule();
    const failures: unknown[] = [];
    for (const handlers of [...this.#handlers]) {
      try {
        call(handlers());
      } catch (thrown) {
        failures.push(thrown);
      }
    }
    if (failures.length > 0) throw failures[0];
  }

  /** Renders once for all publications of one packet. */
  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    queueMicrotask(() => this.#show());
  }

  #show(): void {
    this.#scheduled = false;
    const arrived = this.#arrived;
    this.#arrived = [];
    for (const selection of this.#selections.keys()) selection.take(arrived);
    this.#showStatus();
    this.#showRoster();
    for (const { call } of [...this.#listeners]) call();
  }

  #showStatus(): void {
    const state = this.#subscription?.state ?? NOT_FOLLOWED.state;
    if (state === this.status.state) return;
    const error = state.name === "live" ? null : state.name === "ended" ? state.error : this.status.error;
    this.status = { ...this.status, state, error };
  }

  #showRoster(): void {
    const presence = this.#subscription?.presence;
    if (!presence) return;
    const { members } = presence as { members: readonly Member[] };
    const synced = presence.synced && this.status.state.name === "live";
    if (members === this.roster.members && synced === this.roster.synced) return;
    const byKey = members === this.roster.members ? this.roster.byKey : new Map(members.map((one) => [one.key, one]));
    // The previous members stay until the first snapshot of a new subscription.
    const known = presence.synced || members.length > 0;
    this.roster = known ? { members, byKey, synced } : { ...this.roster, synced };
  }
}

const STORES = new WeakMap<Client, Map<string, ChannelStore>>();

/** Returns the store of this channel: the same one for the same client. */
export function channelStore(client: Client, channel: Channel): ChannelStore {
  const stores = STORES.get(client) ?? new Map<string, ChannelStore>();
  STORES.set(client, stores);
  const known = stores.get(channel);
  const store = known ?? new ChannelStore(client, channel);
  stores.set(channel, store);
  return store;
}
