import { useCallback, useSyncExternalStore } from "react";
import type { ConnectionState } from "../connection/connection-state.ts";
import type { Welcome } from "../protocol/index.ts";
import { useClient } from "./provider.ts";

/** The state that servers render, and browsers first, so that hydration matches. */
const IDLE: ConnectionState = { name: "idle" };

/** The current state of the client's connection. */
export interface ConnectionView {
  state: ConnectionState;
  /** The welcome of the current connection. Null while there is none. */
  welcome: Welcome | null;
  isConnected: boolean;
}

/** Returns the state of the client's connection and renders again at each change. */
export function useConnection(): ConnectionView {
  const client = useClient();
  const subscribe = useCallback((changed: () => void) => client.on("state", changed), [client]);
  const current = useCallback(() => client.state, [client]);
  const state = useSyncExternalStore(subscribe, current, () => IDLE);
  const isConnected = state.name === "connected";
  return { state, welcome: isConnected ? state.welcome : null, isConnected };
}
