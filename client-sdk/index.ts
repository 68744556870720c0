export type { ChannelPresence } from "./channels/presence.ts";
export type { PresenceRoster, PresenceRosterEvents } from "./channels/presence-roster.ts";
export type { PublishOptions } from "./channels/publisher.ts";
export type { Subscription } from "./channels/subscription.ts";
export type {
  HistoryQuery,
  PresenceMetaOf,
  SubscribeOptions,
  SubscriptionEvents,
  SubscriptionState,
} from "./channels/subscription-events.ts";
export { Client, type ClientEvents, createClient } from "./client/client.ts";
export type { RequestOptions, RpcOptions } from "./client/rpc.ts";
export type { ConnectionState } from "./connection/connection-state.ts";
export {
  type ClientOptions,
  DEFAULT_CONNECT_TIMEOUT_MS,
  DEFAULT_OFFLINE_QUEUE_LIMIT,
  DEFAULT_RECONNECT_BASE_DELAY_MS,
  DEFAULT_RECONNECT_MAX_DELAY_MS,
  DEFAULT_REQUEST_TIMEOUT_MS,
  type TokenSource,
  type Transport,
} from "./connection/options.ts";
export * from "./kernel/errors.ts";
export { ulid } from "./kernel/ulid.ts";
export * from "./protocol/index.ts";
