import type { Open, Page } from "./common.ts";

/** Whether all nodes answered. */
export interface NodesHeard {
  /** Whether nodes did not answer in time. Their data is missing here. */
  incomplete: boolean;
  /** The number of nodes that did not answer. */
  silentNodes: number;
}

/** A publisher or a receiver. The hub itself is the service `hub`. */
export interface PrincipalName {
  kind: Open<"user" | "workstation" | "service">;
  id: string;
}

/** A channel with subscribers on any node. */
export interface LiveChannel {
  name: string;
  organizationId: string;
  /** On all nodes. */
  subscribers: number;
  /** The number of present members, live and suspect; null if unknown. */
  presentMembers: number | null;
  /** The average of the last minute. */
  publicationsPerSecond: number;
  /**
   * Since the start of the nodes that accepted them. A node with more than 50,000 channels drops those that were quiet
   * longest.
   */
  publications: number;
  /** Milliseconds since 1970; null: none since then. */
  lastPublicationAt: number | null;
  /** The nodes with subscribers, by id. */
  nodes: { nodeId: string; subscribers: number }[];
}

/** Parameters of `channels.list`. */
export interface ChannelListParams {
  /** Only what the admins of this organization see, for any caller. */
  organizationId?: string;
  /** The prefix of channel names: `task:`. */
  prefix?: string;
  /** 1–200. The default is 50. */
  limit?: number;
  cursor?: string;
}

/** Ordered by name. Pages are not a snapshot: each shows the channels after the previous page's end at that moment. */
export interface ChannelPage extends Page<LiveChannel>, NodesHeard {}

/** The delivery of a publication to one connection. */
export interface Delivery {
  nodeId: string;
  connectionId: string;
  principal: PrincipalName;
  /** `name/version` from the handshake. Null if the client sent none. */
  client: string | null;
  /** When it was queued for the connection, in milliseconds since 1970 by the clock of its node; null if unknown. */
  at: number | null;
  /** Live, in the reply to a subscribe request that recovers, or in a page of the history. */
  how: Open<"live" | "recovered" | "history">;
}

/** The origin and the deliveries of a publication, as far as the nodes remember them. */
export interface PublicationTrace {
  id: string;
  channel: string;
  epoch: string;
  /** Null for ephemeral publications, which have no offset. */
  offset: number | null;
  type: string;
  /** Milliseconds since 1970, by the hub's clock. */
  at: number;
  /** As sent to subscribers: a member key, `{ service }`, or null. */
  from: { workstationId: string; userId?: string } | { userId: string } | { service: string } | null;
  ephemeral: boolean;
  /** The node that accepted it. Null if that node does not answer or no longer remembers it. */
  publishedOn: string | null;
  publishedBy: PrincipalName | null;
  /** Ordered by time. Delivered does not mean received: a connection may have ended with it in its queue. */
  deliveries: Delivery[];
  /** Whether there are more deliveries than listed here, or a node has already forgotten some. */
  truncated: boolean;
}

/** The publication to trace. */
export interface PublicationTraceParams {
  id: string;
  /** Needed if one id was used on several channels. By default the newest publication is traced. */
  channel?: string;
}

/** A change of a workstation's presence. */
export interface WorkstationTransition {
  /** When it happened, in ISO 8601, by the clock of the hub node that observed it. */
  at: string;
  kind: Open<"online" | "suspect" | "offline">;
  before: Open<"online" | "suspect" | "offline"> | null;
  /** Why it left: `left`, `timeout`, `node_lost`, `revoked`. */
  reason: string | null;
  nodeId: string | null;
  connectionId: string | null;
  /** Increases from change to change. */
  revision: number;
}

/** Parameters of `workstations.transitions`. */
export interface WorkstationTransitionsParams {
  id: string;
  /** Only transitions before this time (ISO 8601). */
  before?: string;
  /** 1–200. The default is 50. */
  limit?: number;
  cursor?: string;
}

/** Parameters of `activity.get`. */
export interface ActivityParams {
  organizationId: string;
  /** 1–1,440. The default is 60. The last one is the current minute. */
  minutes?: number;
}

/** The activity of an organization in one minute. */
export interface ActivityPoint {
  /** The minute's beginning, in milliseconds since 1970. */
  at: number;
  /** At the end of the minute, or now. */
  workstationsOnline: number;
  /**
   * All publications on the organization's channels in this minute, except those counted by nodes that have ended
   * since.
   */
  publications: number;
}

/** The last minutes of an organization, oldest first. */
export interface Activity extends NodesHeard {
  intervalMs: 60_000;
  points: ActivityPoint[];
}

export interface InspectionMethods {
  /** Lists the channels with subscribers on any node. */
  "channels.list": { params: ChannelListParams; result: ChannelPage };
  /** Returns a publication's publisher, node and deliveries. `not_found` if no node remembers it. */
  "publications.trace": { params: PublicationTraceParams; result: PublicationTrace & NodesHeard };
  /** Lists a workstation's presence transitions, newest first. */
  "workstations.transitions": { params: WorkstationTransitionsParams; result: Page<WorkstationTransition> };
  /** Returns the number of online workstations and publications per minute. */
  "activity.get": { params: ActivityParams; result: Activity };
}
