import { createContext, createElement, type ReactNode, useContext } from "react";
import type { Client } from "../client/client.ts";
import { InvalidArgumentError } from "../kernel/errors.ts";

const ClientContext = createContext<Client | null>(null);

/**
 * Provides the client to all hooks below it. It neither connects nor closes the client: its creator does.
 */
export function MonsterRealtimeProvider({ client, children }: { client: Client; children?: ReactNode }): ReactNode {
  return createElement(ClientContext, { value: client }, children);
}

/** Returns the client of the nearest provider. Throws InvalidArgumentError if there is none. */
export function useClient(): Client {
  const client = useContext(ClientContext);
  if (!client)
    throw new InvalidArgumentError(
      "No client in the React context. Wrap the page in <MonsterRealtimeProvider client={client}>.",
    );
  return client;
}
