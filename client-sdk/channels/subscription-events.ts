import type { Wire } from "../connection/wire.ts";
import type { RealtimeError } from "../kernel/errors.ts";
import type {
  HistoryReply,
  HistoryRequest,
  ProjectWorkstationsChannel,
  Publication,
  PublishReply,
  StreamPosition,
  WorkstationChannel,
  WorkstationPresenceMeta,
} from "../protocol/index.ts";
import type { PublishOptions } from "./publisher.ts";

/** The meta of the members present on a channel of this kind. */
export type PresenceMetaOf<Name extends string> = Name extends WorkstationChannel | ProjectWorkstationsChannel
  ? WorkstationPresenceMeta
  : Record<string, unknown>;

/** The options of `subscribe()`. */
export interface SubscribeOptions {
  /** Keep a roster of the members present. The default is false. */
  presence?: boolean;
  /** Start after this position of an earlier session, if the history still reaches back to it. */
  recover?: StreamPosition;
}
/** A range of a channel's history: `after` and `before` are exclusive offsets of `epoch`, or of the current epoch. */
export type HistoryQuery = Omit<HistoryRequest, "channel">;

/** A subscription's state. `ended` is final; the others change with the connection. */
export type SubscriptionState =
  /** Waits for a connection or for the hub's answer. */
  | { name: "pending" }
  | { name: "live" }
  /** `error` is null after `unsubscribe()` and the client's `close()`. */
  | { name: "ended"; error: RealtimeError | null };

/** The subscription's events, with the arguments of their handlers. */
export type SubscriptionEvents = {
  publication: [publication: Publication];
  /** Every publication missed while disconnected has been delivered. */
  recovered: [{ position: StreamPosition; publications: number }];
  /** The hub could not recover the publications from `previous` to `position`: load the state again. */
  lost: [{ previous: StreamPosition; position: StreamPosition }];
  state: [state: SubscriptionState, previous: SubscriptionState];
  /** The hub ended the subscription or refused part of it; see `state`. */
  error: [error: RealtimeError];
};

/** The parts of the client that a subscription uses. */
export interface SubscriptionParts {
  wire: Wire;
  publish(channel: string, type: string, payload: unknown, options: PublishOptions): Promise<PublishReply>;
  history(channel: string, query: HistoryQuery): Promise<HistoryReply>;
  ended(channel: string): void;
  /** Whether the channel has a new subscription. */
  isFollowed(channel: string): boolean;
}
