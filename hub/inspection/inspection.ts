import type { Delivery, LiveChannel, PrincipalName } from "@monster-realtime/client/protocol";
import type { ConnectionView } from "../connections/live-connections.ts";
import type { Head } from "../socket/delivery-log.ts";

/** A query for channels, in the order of their names. */
export interface ChannelQuery {
  view: ConnectionView;
  prefix: string;
  /** Only channels after this name; null: from the first. */
  after: string | null;
  limit: number;
}

/** Channels by name, and whether more follow. */
export interface ChannelsFound {
  items: LiveChannel[];
  more: boolean;
}

export interface TraceQuery {
  view: ConnectionView;
  id: string;
  channel: string | undefined;
}

/** A publication in a node's memory. */
export interface Remembered {
  channel: string;
  epoch: string;
  head: Head;
}

/** One node's record of the origin and the deliveries of a publication. */
export interface Handling {
  accepted: { nodeId: string; by: PrincipalName } | null;
  /** The first deliveries in the order of time. */
  deliveries: Delivery[];
  truncated: boolean;
}
/** The records of all nodes. */
export interface Traced extends Remembered, Handling {}

/** Publications of each minute, of which `last` (minutes since 1970) is the newest. */
export interface MinutesQuery {
  organizationId: string;
  last: number;
  minutes: number;
}

/** An answer from all nodes; the records of `silentNodes` are missing from it. */
export type Collected<Answer> = Answer & { silentNodes: number };

/**
 * The nodes' records of channels and publications. Other nodes are queried on demand. Every call ends within about two
 * seconds, and throws `unavailable` if the nodes can't reach each other.
 */
export interface Inspection {
  channels(query: ChannelQuery): Promise<Collected<ChannelsFound>>;
  /**
   * The newest publication with this id that the view shows; null: no node has one in memory. Throws `unavailable` if a
   * node that may have it did not answer.
   */
  trace(query: TraceQuery): Promise<Collected<Traced> | null>;
  minutes(query: MinutesQuery): Promise<Collected<{ counts: number[] }>>;
}

/** The most deliveries in one answer. */
export const MAX_DELIVERIES = 1_000;
