export { Client, type ClientEvents, createClient } from "./client.ts";
export type { ConnectionState } from "./connection-state.ts";
export * from "./errors.ts";
export {
  type ClientOptions,
  DEFAULT_CONNECT_TIMEOUT_MS,
  DEFAULT_OFFLINE_QUEUE_LIMIT,
  DEFAULT_RECONNECT_BASE_DELAY_MS,
  DEFAULT_RECONNECT_MAX_DELAY_MS,
  DEFAULT_REQUEST_TIMEOUT_MS,
  type TokenSource,
  type Transport,
} from "./options.ts";
export type { ChannelPresence } from "./presence.ts";
export type { PresenceRoster, PresenceRosterEvents } from "./presence-roster.ts";
export * from "./protocol/index.ts";
export type { PublishOptions } from "./publisher.ts";
export type { RequestOptions, RpcOptions } from "./rpc.ts";
export type { Subscription } from "./subscription.ts";
export type {
  HistoryQuery,
  PresenceMetaOf,
  SubscribeOptions,
  SubscriptionEvents,
  SubscriptionState,
} from "./subscription-events.ts";
export { ulid } from "./ulid.ts";
