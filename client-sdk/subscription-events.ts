import type { RealtimeError } from "./errors.ts";
import type {
  HistoryReply,
  HistoryRequest,
  ProjectWorkstationsChannel,
  Publication,
  PublishReply,
  StreamPosition,
  WorkstationChannel,
  WorkstationPresenceMeta,
} from "./protocol/index.ts";
import type { PublishOptions } from "./publisher.ts";
import type { Wire } from "./wire.ts";

/** The meta of those who are present on a channel of this kind. */
export type PresenceMetaOf<Name extends string> = Name extends WorkstationChannel | ProjectWorkstationsChannel
  ? WorkstationPresenceMeta
  : Record<string, unknown>;

export interface SubscribeOptions {
  /** Keep a roster of who is present; false where it is missing. */
  presence?: boolean;
  /** Begin after this position of an earlier session, if the history still reaches back. */
  recover?: StreamPosition;
}
export type HistoryQuery = Omit<HistoryRequest, "channel">;

export type SubscriptionState =
  /** Waits for a connection or for the hub's answer. */
  | { name: "pending" }
  | { name: "live" }
  /** `error` is null after `unsubscribe()` and the client's `close()`. */
  | { name: "ended"; error: RealtimeError | null };

export type SubscriptionEvents = {
  publication: [publication: Publication];
  /** Everything missed while away has been delivered. */
  recovered: [{ position: StreamPosition; publications: number }];
  /** What came between `previous` and `position` can't be had from the hub: load the state anew. */
  lost: [{ previous: StreamPosition; position: StreamPosition }];
  state: [state: SubscriptionState, previous: SubscriptionState];
  /** The hub ended the subscription, or refused part of it; `state` tells which. */
  error: [error: RealtimeError];
};

/** What a subscription needs of its client. */
export interface SubscriptionParts {
  wire: Wire;
  publish(channel: string, type: string, payload: unknown, options: PublishOptions): Promise<PublishReply>;
  history(channel: string, query: HistoryQuery): Promise<HistoryReply>;
  ended(channel: string): void;
  /** Whether somebody subscribed to the channel again. */
  isFollowed(channel: string): boolean;
}
