// Tells frameworks with server rendering that the hooks run in browsers.
"use client";

export type { ChannelHandlers } from "./react/channel-store.ts";
export { type FreshQueryClient, type KeepFreshOptions, keepFresh } from "./react/keep-fresh.ts";
export { MonsterRealtimeProvider, useClient } from "./react/provider.ts";
export type { PublicationFilter } from "./react/selection.ts";
export {
  type ChannelOptions,
  type ChannelView,
  type PresenceView,
  useChannel,
  usePresence,
  usePublication,
  usePublications,
} from "./react/use-channel.ts";
export { type ConnectionView, useConnection } from "./react/use-connection.ts";
export { type RpcView, type UseRpcOptions, useRpc } from "./react/use-rpc.ts";
