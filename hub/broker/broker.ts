import type { HistoryReply, Publication, PublishReply, StreamPosition } from "@monster-realtime/client/protocol";

/**
 * Streams: one ordered log of publications a channel.
 *
 * What every implementation promises (`test/contract/broker.ts`):
 * - `publish` is one atomic step: it assigns the offset, appends to the history, remembers the idempotency key and
 *   hands the publication to every subscribed node. Order is the same everywhere.
 * - Publications of one caller keep the order of its calls, though it does not wait for their answers.
 * - Offsets count from 1 within an epoch, without gaps. An epoch ends when continuity can't be proven any more; a
 *   position lives `positionTtlMs` after the channel's last use.
 * - A publication with `ephemeral` gets the newest stored offset, is in no history and moves no position; nor is its key
 *   remembered.
 * - The same `publisher` and `id` within `rememberMs` and one epoch is answered with the first one's offset and
 *   `duplicate`, and delivered once; with another content it throws `conflict`. The order of an object's keys is no
 *   content, for as long as the history holds the first one to compare with.
 * - After `subscribe` resolved, the listener gets every later publication, in order, in the turn it was published; or,
 *   where continuity can't be proven, one `lost`.
 * - Throws `unavailable` or `timeout` when the outcome is unknown: repeating with the same `id` is safe.
 */
export interface Broker {
  publish(request: BrokerPublish): Promise<PublishReply>;
  /**
   * The publications after `position`, or null where not every one of them can be proven to be there. On a subscribed
   * channel it resolves after the listener got everything up to the recovery's offset: what comes later is newer.
   */
  recover(channel: string, position: StreamPosition, maxBytes: number): Promise<Recovery>;
  history(channel: string, query: HistoryQuery): Promise<HistoryReply>;
  /** Resolves when the subscription is confirmed. One listener a channel and node. */
  subscribe(channel: string, listener: StreamListener): Promise<void>;
  unsubscribe(channel: string): void;
  close(): Promise<void>;
}

export const IDEMPOTENCY_TTL_MS = 5 * 60_000;

export interface BrokerPublish {
  channel: string;
  /** Scope of `id`: the principal's key. */
  publisher: string;
  id: string;
  type: string;
  /** The payload as JSON: it is encoded once. */
  payloadJson: string;
  from: Publication["from"];
  ephemeral: boolean;
  /** Whose the channel is, where the publisher knows it: the history counts for that organization. */
  organizationId?: string | null;
  /** Milliseconds since 1970; now where it is missing. */
  at?: number;
  /** How long `id` is remembered; `IDEMPOTENCY_TTL_MS` where it is missing, 0: not at all. */
  rememberMs?: number;
}

export interface Recovery extends StreamPosition {
  /** Null: not recoverable; the position then is where a new start is. */
  publications: Publication[] | null;
}

export interface HistoryQuery {
  /** Another one than the stream's throws `conflict`. */
  epoch?: string | undefined;
  /** Exclusive. */
  after?: number | undefined;
  /** Exclusive. */
  before?: number | undefined;
  limit: number;
  reverse: boolean;
  /** A page ends before it grows over this, but holds one publication at least. */
  maxBytes: number;
}

/** A publication as it travels: already encoded as JSON, once. */
export interface EncodedPublication {
  offset: number;
  json: string;
  ephemeral: boolean;
}

export interface StreamListener {
  publication(channel: string, publication: EncodedPublication): void;
  /** Continuity is lost: local subscribers must be told `stream_lost`. */
  lost(channel: string): void;
}

/** How much history a channel keeps. */
export interface Retention {
  size: number;
  ttlMs: number;
}

/** Whose a channel is. */
export interface ChannelOwners {
  /** The organization, if that is known without asking; else null. */
  known(channel: string): string | null;
  /** The organization; null if the channel's row is gone. Throws `unavailable` while the database is away. */
  find(channel: string): Promise<string | null>;
}
