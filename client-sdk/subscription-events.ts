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

/** How to follow a channel. */
export interface SubscribeOptions {
  /** Keep a roster of who is present; false where it is missing. */
  presence?: boolean;
  /** Begin after this position of an earlier session, if the history still reaches back. */
  recover?: StreamPosition;
}
/** Which part of a channel's history: `after` and `before` are exclusive offsets of `epoch`, or of the current one. */
export type HistoryQuery = Omit<HistoryRequest, "channel">;

/** Where a subscription stands. `ended` is for good; the others change with the connection. */
export type SubscriptionState =
  /** Waits for a connection or for the hub's answer. */
  | { name: "pending" }
  | { name: "live" }
  /** `error` is null after `unsubscribe()` and the client's `close()`. */
  | { name: "ended"; error: RealtimeError | null };

/** What a subscription tells, with the arguments of its handlers. */
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
