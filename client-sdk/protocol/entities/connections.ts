import type { Open, Page } from "./common.ts";

/** An open connection on any node. */
export interface LiveConnection {
  /** As in `welcome`. Ids are never reused. */
  id: string;
  nodeId: string;
  principal: { kind: Open<"user" | "workstation" | "service">; id: string };
  /** `name/version` from the handshake, its first 128 characters. Null if the client sent none. */
  client: string | null;
  /** Milliseconds since 1970, by the clock of its node. */
  connectedAt: number;
  /** As seen by its node, behind trusted proxies. */
  remoteAddress: string | null;
  transport: Open<"websocket" | "polling">;
  /** Subscribed channels. For a user, only those of organizations shared with the caller. */
  channels: string[];
  /**
   * Bytes waiting to be sent. Null for users, except to services of all organizations: the bytes may be another
   * organization's.
   */
  bytesQueued: number | null;
}

/** A connection must match all given fields. */
export interface ConnectionListParams {
  /** Only what the admins of this organization see, for any caller. */
  organizationId?: string;
  workstationId?: string;
  userId?: string;
  /** A channel that it is subscribed to. */
  channel?: string;
  /** 1–200. The default is 50. A page may be shorter if its connections have thousands of channels. */
  limit?: number;
  cursor?: string;
}

/** Ordered by id. Pages are not a snapshot: each shows the connections after the previous page's end at that moment. */
export interface ConnectionPage extends Page<LiveConnection> {
  /** Whether nodes did not answer in time. Their connections are missing here. */
  incomplete: boolean;
  /** The number of nodes that did not answer. */
  silentNodes: number;
}

/** The connection to end. */
export interface ConnectionKick {
  id: string;
  /** Sent to the client and kept in the audit trail. Up to 500 characters. */
  reason?: string;
}

export interface ConnectionMethods {
  /** Lists the connections of all nodes. */
  "connections.list": { params: ConnectionListParams; result: ConnectionPage };
  /**
   * Ends a connection with `unavailable`, which is temporary: the client may reconnect. Suspend a workstation or a
   * member to prevent that.
   */
  "connections.kick": { params: ConnectionKick; result: { id: string } };
}
