// For frameworks with server rendering: the hooks run in browsers.
"use client";

export type { ChannelHandlers } from "./channel-store.ts";
export { type FreshQueryClient, type KeepFreshOptions, keepFresh } from "./keep-fresh.ts";
export { MonsterRealtimeProvider, useClient } from "./provider.ts";
export type { PublicationFilter } from "./selection.ts";
export {
  type ChannelOptions,
  type ChannelView,
  type PresenceView,
  useChannel,
  usePresence,
  usePublication,
  usePublications,
} from "./use-channel.ts";
export { type ConnectionView, useConnection } from "./use-connection.ts";
export { type RpcView, type UseRpcOptions, useRpc } from "./use-rpc.ts";
