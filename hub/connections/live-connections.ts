import type { LiveConnection } from "@monster-realtime/client/protocol";

/**
 * Whose connections are seen: all, with all there is to them, or what concerns these organizations: connections of their
 * workstations, and of their members so far as they are subscribed to channels of theirs. Services' are in the first alone.
 */
export type ConnectionView =
  | { readonly kind: "all" }
  | { readonly kind: "organizations"; readonly ids: readonly string[] };

/** Which connections, in the order of their ids. What is missing restricts nothing. */
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
  /** By which organization it is seen; null where it is seen with all others. */
  organizationId: string | null;
}

/** Some connections by id, and whether there are more behind the last. Where there are, it holds one at least. */
export interface SightingPage {
  items: Sighting[];
  more: boolean;
}

/** Why a connection is ended. */
export interface Kick {
  id: string;
  nodeId: string;
  reason: string | null;
}

/**
 * The connections of all nodes. What other nodes have is asked of them at that moment, and kept nowhere: every call ends
 * within two seconds, and throws `unavailable` where the nodes can't ask each other.
 */
export interface LiveConnections {
  /** One page; `silentNodes` did not answer in time, and theirs are missing. */
  list(query: ConnectionQuery): Promise<SightingPage & { silentNodes: number }>;
  /** Null: no node has it, or the view does not show it. Throws `unavailable` where a node that may have it did not answer. */
  find(id: string, view: ConnectionView): Promise<Sighting | null>;
  /**
   * Ends a connection: true for one call alone, false where it has ended. Throws `unavailable` where its node did not
   * answer: it may be ended all the same.
   */
  end(kick: Kick): Promise<boolean>;
}
