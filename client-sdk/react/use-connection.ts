import { useCallback, useSyncExternalStore } from "react";
import type { ConnectionState } from "../connection-state.ts";
import type { Welcome } from "../protocol/index.ts";
import { useClient } from "./provider.ts";

/** What servers render, and browsers at first, so that both agree. */
const IDLE: ConnectionState = { name: "idle" };

/** The client's connection as it stands. */
export interface ConnectionView {
  state: ConnectionState;
  /** Of the connection there is now; null while there is none. */
  welcome: Welcome | null;
  isConnected: boolean;
}

/** Where the client stands, shown at each change. */
export function useConnection(): ConnectionView {
  const client = useClient();
  const subscribe = useCallback((changed: () => void) => client.on("state", changed), [client]);
  const current = useCallback(() => client.state, [client]);
  const state = useSyncExternalStore(subscribe, current, () => IDLE);
  const isConnected = state.name === "connected";
  return { state, welcome: isConnected ? state.welcome : null, isConnected };
}
