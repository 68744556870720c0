import { createContext, createElement, type ReactNode, useContext } from "react";
import type { Client } from "../client.ts";
import { InvalidArgumentError } from "../errors.ts";

const ClientContext = createContext<Client | null>(null);

/**
 * Gives all hooks below it their client. It neither connects nor closes it: whoever made the client decides that.
 */
export function MonsterRealtimeProvider({ client, children }: { client: Client; children?: ReactNode }): ReactNode {
  return createElement(ClientContext, { value: client }, children);
}

/** The client of the provider above. Throws InvalidArgumentError where there is none. */
export function useClient(): Client {
  const client = useContext(ClientContext);
  if (!client)
    throw new InvalidArgumentError(
      "There is no client here. Wrap the page in <MonsterRealtimeProvider client={client}>.",
    );
  return client;
}
