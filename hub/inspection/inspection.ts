import type { Delivery, LiveChannel, PrincipalName } from "@monster-realtime/client/protocol";
import type { ConnectionView } from "../connections/live-connections.ts";
import type { Head } from "./delivery-log.ts";

/** Which channels, in the order of their names. */
export interface ChannelQuery {
  view: ConnectionView;
  prefix: string;
  /** Only those behind this name; null: from the first. */
  after: string | null;
  limit: number;
}

/** Channels by name, and whether there are more behind the last. */
export interface ChannelsFound {
  items: LiveChannel[];
  more: boolean;
}

export interface TraceQuery {
  view: ConnectionView;
  id: string;
  channel: string | undefined;
}

/** A publication that a node remembers. */
export interface Remembered {
  channel: string;
  epoch: string;
  head: Head;
}

/** What one node knows of where a publication came from and went. */
export interface Handling {
  accepted: { nodeId: string; by: PrincipalName } | null;
  /** The first ones in the order of time. */
  deliveries: Delivery[];
  truncated: boolean;
}
/** What all of them know. */
export interface Traced extends Remembered, Handling {}

/** Publications of each minute, of which `last` (minutes since 1970) is the newest. */
export interface MinutesQuery {
  organizationId: string;
  last: number;
  minutes: number;
}

/** What came of asking all nodes; what `silentNodes` know is missing in it. */
export type Heard<Answer> = Answer & { silentNodes: number };

/**
 * What the nodes know of channels and publications. What others know is asked of them at that moment: every call ends
 * within about two seconds, and throws `unavailable` where the nodes can't ask each other.
 */
export interface Inspection {
  channels(query: ChannelQuery): Promise<Heard<ChannelsFound>>;
  /**
   * The newest publication of this id that the view shows; null: no node remembers one. Throws `unavailable` where a node
   * that may remember it did not answer.
   */
  trace(query: TraceQuery): Promise<Heard<Traced> | null>;
  minutes(query: MinutesQuery): Promise<Heard<{ counts: number[] }>>;
}

/** Deliveries that one answer tells at most. */
export const MAX_DELIVERIES = 1_000;
