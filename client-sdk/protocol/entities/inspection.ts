import type { Open, Page } from "./common.ts";

/** What the nodes told that answered in time. */
export interface NodesHeard {
  /** Whether nodes did not answer in time, so that what they know is missing here. */
  incomplete: boolean;
  /** How many did not. */
  silentNodes: number;
}

/** Who published something, or was handed it. The hub itself is the service `hub`. */
export interface PrincipalName {
  kind: Open<"user" | "workstation" | "service">;
  id: string;
}

/** A channel that somebody is subscribed to now, on whichever node. */
export interface LiveChannel {
  name: string;
  organizationId: string;
  /** On all nodes. */
  subscribers: number;
  /** Members of its presence, live and suspect; null where they are not known. */
  presentMembers: number | null;
  /** Of the last minute, on average. */
  publicationsPerSecond: number;
  /** Since the nodes that took them in have started; a node forgets channels that were quiet for long, over 50,000 of them. */
  publications: number;
  /** Milliseconds since 1970; null: none since then. */
  lastPublicationAt: number | null;
  /** Those with subscribers, by id. */
  nodes: { nodeId: string; subscribers: number }[];
}

/** Which channels to list. */
export interface ChannelListParams {
  /** What the admins of this organization see, whoever asks. */
  organizationId?: string;
  /** That names begin with: `task:`. */
  prefix?: string;
  /** 1–200; 50 where it is missing. */
  limit?: number;
  cursor?: string;
}

/** By name. Subscribers come and go meanwhile: each page tells those behind the last one's end as they are then. */
export interface ChannelPage extends Page<LiveChannel>, NodesHeard {}

/** A publication on its way to one connection. */
export interface Delivery {
  nodeId: string;
  connectionId: string;
  principal: PrincipalName;
  /** `name/version` as the handshake told it; null where it told none. */
  client: string | null;
  /** Milliseconds since 1970, by the clock of its node, when it was handed to the connection; null where that is not known. */
  at: number | null;
  /** As it was published, in the answer to a subscribe that recovers, or in a page of the history. */
  how: Open<"live" | "recovered" | "history">;
}

/** Where a publication came from and to whom it was handed, as the nodes remember it. */
export interface PublicationTrace {
  id: string;
  channel: string;
  epoch: string;
  /** Null for ephemeral ones, which have none of their own. */
  offset: number | null;
  type: string;
  /** Milliseconds since 1970, by the hub's clock. */
  at: number;
  /** As it told its subscribers: a member key, `{ service }`, or null. */
  from: { workstationId: string; userId?: string } | { userId: string } | { service: string } | null;
  ephemeral: boolean;
  /** The node that accepted it; null where that one does not answer or remembers no more. */
  publishedOn: string | null;
  publishedBy: PrincipalName | null;
  /** In the order of time. Handed over is not read: a connection may have ended with it in its queue. */
  deliveries: Delivery[];
  /** Whether there are more deliveries than are told here, or a node has forgotten some of them already. */
  truncated: boolean;
}

/** Which publication to look for. */
export interface PublicationTraceParams {
  id: string;
  /** Where publishers on several channels used one id. The newest one where it is missing. */
  channel?: string;
}

/** A change of a workstation's presence. */
export interface WorkstationTransition {
  /** ISO, when it happened by the clock of the hub that saw it. */
  at: string;
  kind: Open<"online" | "suspect" | "offline">;
  before: Open<"online" | "suspect" | "offline"> | null;
  /** Why it left, as presence tells it: `left`, `timeout`, `node_lost`, `revoked`. */
  reason: string | null;
  nodeId: string | null;
  connectionId: string | null;
  /** Grows from change to change. */
  revision: number;
}

/** Of which workstation, and which part of its past. */
export interface WorkstationTransitionsParams {
  id: string;
  /** Only what happened before this time (ISO). */
  before?: string;
  /** 1–200; 50 where it is missing. */
  limit?: number;
  cursor?: string;
}

/** Of which organization, and how far back. */
export interface ActivityParams {
  organizationId: string;
  /** 1–1,440; 60 where it is missing. The last one is the minute that runs. */
  minutes?: number;
}

/** One minute of an organization. */
export interface ActivityPoint {
  /** The minute's beginning, in milliseconds since 1970. */
  at: number;
  /** At its end, or now. */
  workstationsOnline: number;
  /** In it, on the organization's channels, by everybody; nodes that have ended since took theirs with them. */
  publications: number;
}

/** The last minutes of an organization, the oldest first. */
export interface Activity extends NodesHeard {
  intervalMs: 60_000;
  points: ActivityPoint[];
}

export interface InspectionMethods {
  /** Channels that somebody is subscribed to, on whichever node. */
  "channels.list": { params: ChannelListParams; result: ChannelPage };
  /** Who published it, on which node, and to whom it was handed; `not_found` where no node remembers it. */
  "publications.trace": { params: PublicationTraceParams; result: PublicationTrace & NodesHeard };
  /** How a workstation's presence went, newest first. */
  "workstations.transitions": { params: WorkstationTransitionsParams; result: Page<WorkstationTransition> };
  /** Workstations online and publications, minute by minute. */
  "activity.get": { params: ActivityParams; result: Activity };
}
