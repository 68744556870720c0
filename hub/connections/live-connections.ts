import type { LiveConnection } from "@monster-realtime/client/protocol";

/**
 * The connections that a caller sees. `all`: all, in full. `organizations`: connections of these organizations'
 * workstations, and of their members as far as they subscribe to the organizations' channels. Only `all` includes services.
 */
export type ConnectionView =
  | { readonly kind: "all" }
  | { readonly kind: "organizations"; readonly ids: readonly string[] };

/** A query for connections, in the order of their ids. A missing field restricts nothing. */
export interface ConnectionQuery {
  view: ConnectionView;
  workstationId?: string | undefined;
  userId?: string | undefined;
  /** A channel that the view shows. */
  channel?: string | undefined;
  /** Only those with a greater id; null: from the first. */
  after: string | null;
  limit: number;
}

/** A connection as a view shows it. */
export interface Sighting {
  connection: LiveConnection;
  /** The organization through which it is seen; null in the view of all connections. */
  organizationId: string | null;
}

/** Connections by id, and whether more follow. If more follow, the page holds at least one. */
export interface SightingPage {
  items: Sighting[];
  more: boolean;
}

/** A request to end a connection, with the reason. */
export interface Kick {
  id: string;
  nodeId: string;
  reason: string | null;
}

/**
 * The connections of all nodes. Other nodes are queried on demand, and their answers are not cached. Every call ends within
 * two seconds, and throws `unavailable` if the nodes can't reach each other.
 */
export interface LiveConnections {
  /** One page; `silentNodes` did not answer in time, so their connections are missing. */
  list(query: ConnectionQuery): Promise<SightingPage & { silentNodes: number }>;
  /** Null: no node has it, or the view does not show it. Throws `unavailable` if a node that may have it did not answer. */
  find(id: string, view: ConnectionView): Promise<Sighting | null>;
  /**
   * Ends a connection: true for exactly one call, false if it has ended already. Throws `unavailable` if its node did not
   * answer: it may have ended nevertheless.
   */
  end(kick: Kick): Promise<boolean>;
}
