import type { Open, Page } from "./common.ts";

/** A connection that is open now, on whichever node. */
export interface LiveConnection {
  /** As `welcome` told it. No two connections ever have the same one. */
  id: string;
  nodeId: string;
  principal: { kind: Open<"user" | "workstation" | "service">; id: string };
  /** `name/version` as the handshake told it, its first 128 characters; null where it told none. */
  client: string | null;
  /** Milliseconds since 1970, by the clock of its node. */
  connectedAt: number;
  /** As its node saw it, behind proxies that it trusts. */
  remoteAddress: string | null;
  transport: Open<"websocket" | "polling">;
  /** Subscribed ones; of a user only those of the organizations that the caller sees him by. */
  channels: string[];
  /**
   * What waits to be sent to it. Null for users, but to services of all organizations: it may be another organization's.
   */
  bytesQueued: number | null;
}

/** All must be true of a connection. */
export interface ConnectionListParams {
  /** What the admins of this organization see, whoever asks. */
  organizationId?: string;
  workstationId?: string;
  userId?: string;
  /** That it is subscribed to. */
  channel?: string;
  /** 1–200; 50 where it is missing. A page may be shorter, where its connections have thousands of channels. */
  limit?: number;
  cursor?: string;
}

/** By id. Connections come and go meanwhile: each page tells those behind the last one's end as they are then. */
export interface ConnectionPage extends Page<LiveConnection> {
  /** Whether nodes did not answer in time, so that their connections are missing here. */
  incomplete: boolean;
  /** How many did not. */
  silentNodes: number;
}

/** Which connection to end. */
export interface ConnectionKick {
  id: string;
  /** Told to whoever is connected, and kept in the audit trail; up to 500 characters. */
  reason?: string;
}

export interface ConnectionMethods {
  /** Who is connected, to whichever node. */
  "connections.list": { params: ConnectionListParams; result: ConnectionPage };
  /** Ends a connection with `unavailable`, which is temporary: it may come back. Suspend a workstation or a member to keep it out. */
  "connections.kick": { params: ConnectionKick; result: { id: string } };
}
