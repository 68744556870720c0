import type { HistoryReply, Publication, PublishReply, StreamPosition } from "@monster-realtime/client/protocol";

/**
 * Streams: one ordered log of publications per channel.
 *
 * The guarantees of every implementation (`test/contract/broker.ts`):
 * - `publish` is one atomic step: it assigns the offset, appends to the history, remembers the idempotency key and
 *   sends the publication to every subscribed node. The order is the same everywhere.
 * - Publications of one caller keep the order of its calls, even if it does not wait for the answers.
 * - Offsets count from 1 within an epoch, without gaps. An epoch ends when continuity can't be proven any more. A position
 *   is valid for `positionTtlMs` after the channel's last use.
 * - A publication with `ephemeral` gets the newest stored offset. It is not in the history, moves no position, and its key
 *   is not remembered.
 * - A repeated `publisher` and `id` within `rememberMs` and one epoch is answered with the first one's offset and
 *   `duplicate`, and delivered once; with another content it throws `conflict`. The order of an object's keys does not
 *   matter while the history holds the first publication for comparison.
 * - After `subscribe` resolved, the listener gets every later publication, in order, in the turn it was published; or,
 *   if continuity can't be proven, one `lost`.
 * - Throws `unavailable` or `timeout` if the outcome is unknown: a retry with the same `id` is safe.
 */
export interface Broker {
  publish(request: BrokerPublish): Promise<PublishReply>;
  /**
   * The publications after `position`, or null if not all of them are provably available. On a subscribed channel it
   * resolves after the listener got everything up to the recovery's offset: later publications are newer.
   */
  recover(channel: string, position: StreamPosition, maxBytes: number): Promise<Recovery>;
  history(channel: string, query: HistoryQuery): Promise<HistoryReply>;
  /** Resolves when the subscription is confirmed. There is one listener per channel and node. */
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
  /** The payload as JSON, encoded once. */
  payloadJson: string;
  from: Publication["from"];
  ephemeral: boolean;
  /** The channel's organization if the publisher knows it; the history counts towards it. */
  organizationId?: string | null;
  /** Milliseconds since 1970; default: now. */
  at?: number;
  /** How long `id` is remembered; default: `IDEMPOTENCY_TTL_MS`, 0: not at all. */
  rememberMs?: number;
}

export interface Recovery extends StreamPosition {
  /** Null: not recoverable; the position is then the start of a new subscription. */
  publications: Publication[] | null;
}

export interface HistoryQuery {
  /** An epoch other than the stream's throws `conflict`. */
  epoch?: string | undefined;
  /** Exclusive. */
  after?: number | undefined;
  /** Exclusive. */
  before?: number | undefined;
  limit: number;
  reverse: boolean;
  /** A page ends before it exceeds this, but holds one publication at least. */
  maxBytes: number;
}

/** A publication in transit, encoded as JSON once. */
export interface EncodedPublication {
  offset: number;
  json: string;
  ephemeral: boolean;
}

export interface StreamListener {
  publication(channel: string, publication: EncodedPublication): void;
  /** Continuity is lost: local subscribers must receive `stream_lost`. */
  lost(channel: string): void;
}

/** How much history a channel keeps. */
export interface Retention {
  size: number;
  ttlMs: number;
}

/** The owners of channels. */
export interface ChannelOwners {
  /** The organization, if it is cached; else null. */
  known(channel: string): string | null;
  /** The organization; null if the channel's row does not exist. Throws `unavailable` while the database is unavailable. */
  find(channel: string): Promise<string | null>;
}
