import type { ErrorObject } from "./codes.ts";

/** The version of the wire protocol spoken by this package. */
export const PROTOCOL_VERSION = 1;

/** The identity of a member of a channel. A workstation's `userId` is an attribute, not part of its identity. */
export type MemberKey = WorkstationMemberKey | UserMemberKey;
/** A workstation as a member of a channel. */
export interface WorkstationMemberKey {
  workstationId: string;
  userId?: string;
}
/** A person as a member of a channel, with any number of open pages. */
export interface UserMemberKey {
  userId: string;
}

/**
 * One message of a channel. Offsets count from 1 within an epoch, without gaps. Ephemeral ones carry the newest stored
 * offset.
 */
export interface Publication<Type extends string = string, Payload = unknown> {
  offset: number;
  /** The publisher's idempotency key, normally a ULID. */
  id: string;
  type: Type;
  payload: Payload;
  /** Milliseconds since 1970, by the hub's clock. */
  at: number;
  from: MemberKey | { service: string } | null;
  ephemeral?: true;
}

/** One member of a roster, merged over its connections. */
export interface Member<Meta extends object = Record<string, unknown>> {
  /** `workstation:<id>` or `user:<id>`. */
  key: string;
  memberKey: MemberKey;
  meta: Meta;
  /** Live connections; 0 while suspect. */
  connections: number;
  /** `suspect`: the last connection was lost and the grace period is running. */
  state: "live" | "suspect";
  joinedAt: number;
  updatedAt: number;
}

/** The meta of a workstation. Additional keys are kept. */
export interface WorkstationPresenceMeta {
  status: "online" | "busy" | "offline";
  availableAgents: string[];
  activeProjects: string[];
  devServerPort?: number;
  currentTaskCount: number;
  [key: string]: unknown;
}

/** The members present on a channel, at one version of the roster. */
export interface Roster<Meta extends object = Record<string, unknown>> {
  epoch: string;
  version: number;
  members: Member<Meta>[];
}

/** Why a member left: on request, after the grace period, with its node, or by losing its rights. */
export type LeaveReason = "left" | "timeout" | "node_lost" | "revoked";
/** A member that left. */
export interface Leave {
  key: string;
  reason: LeaveReason | (string & {});
}

/** Applies to version `from` and yields `version`. `from: null` replaces the whole roster with `joins`. */
export interface PresenceDiff<Meta extends object = Record<string, unknown>> {
  epoch: string;
  from: number | null;
  version: number;
  joins: Member<Meta>[];
  updates: Member<Meta>[];
  leaves: Leave[];
}

/** A position in a stream. */
export interface StreamPosition {
  epoch: string;
  offset: number;
}
/** A position in a roster's history. */
export interface PresencePosition {
  epoch: string;
  version: number;
}

/** The limits of a principal over all its connections and HTTP calls on one node. */
export interface PrincipalLimits {
  publishesPerSecond: number;
  rpcsPerSecond: number;
  requestsPerSecond: number;
  /** RPC calls that run concurrently. Further calls wait. */
  rpcsInFlight: number;
  /** Bytes that the hub reads per second. Above it, reading pauses on all connections. */
  bytesPerSecond: number;
}

/** The limits of one connection, as sent in `welcome`. */
export interface Limits {
  messageBytes: number;
  metaBytes: number;
  recoveryBytes: number;
  channelsPerConnection: number;
  publishesPerSecond: number;
  rpcsPerSecond: number;
  requestsPerSecond: number;
  /** The largest WebSocket frame or polling request. A larger one ends the connection. */
  frameBytes: number;
  /** The number of packets in one polling request. */
  packetsPerPost: number;
  /**
   * Bytes that the hub reads per second. Above it, reading pauses. After ten seconds without a break the connection
   * ends.
   */
  bytesPerSecond: number;
  /** The limits of the connection's principal. */
  principal: PrincipalLimits;
}

/** The kind of a token's principal. */
export type PrincipalKind = "user" | "workstation" | "service";
/** The principal of this connection. `organizationIds` is empty for services of all organizations. */
export interface PrincipalInfo {
  kind: PrincipalKind;
  id: string;
  organizationIds: string[];
}

/** The first push on every connection. */
export interface Welcome {
  protocol: 1;
  connectionId: string;
  nodeId: string;
  /** Milliseconds since 1970. */
  serverTime: number;
  /** Milliseconds until the token expires; `null` for tokens without expiry. */
  expiresInMs: number | null;
  principal: PrincipalInfo;
  limits: Limits;
}

/** Socket.IO's `auth` of the handshake. */
export interface HandshakeAuth {
  token: string;
  protocol?: 1;
  /** `name/version`. */
  client?: string;
}

/** Subscribes to a channel: from now on, or after the position `recover`. */
export interface SubscribeRequest {
  channel: string;
  recover?: StreamPosition;
  presence?: boolean;
}
/**
 * The start of the subscription. `recovered: true` comes with every publication after the requested position, false
 * with none. `presence` is null unless requested.
 */
export interface SubscribeReply extends StreamPosition {
  channel: string;
  recovered: boolean;
  publications: Publication[];
  presence: Roster | null;
}
/**
 * A message for a channel. `id`, 1–64 printable ASCII characters, makes it safe to retry. An ephemeral message is not
 * stored.
 */
export interface PublishRequest {
  channel: string;
  type: string;
  payload: unknown;
  id?: string;
  ephemeral?: boolean;
}
/** The publication's position in the stream. `duplicate`: it was already stored. */
export interface PublishReply extends StreamPosition {
  id: string;
  duplicate?: true;
}
/**
 * A range of stored publications; both offsets are exclusive. `limit` is 1–1,000, by default 100. `reverse`: newest
 * first.
 */
export interface HistoryRequest {
  channel: string;
  epoch?: string;
  after?: number;
  before?: number;
  limit?: number;
  reverse?: boolean;
}
/** A page of stored publications, and the newest position of the channel. */
export interface HistoryReply extends StreamPosition {
  publications: Publication[];
  /** False: the requested range was partly trimmed. */
  complete: boolean;
}
/** A request with only a channel. */
export interface ChannelRequest {
  channel: string;
}
/** The member's complete new meta. */
export interface PresenceRequest {
  channel: string;
  meta: Record<string, unknown>;
}
/**
 * A call of one of `RpcMethods`. A write with an `idempotencyKey` is carried out once in 24 hours, however often it is
 * sent.
 */
export interface RpcRequest {
  method: string;
  params?: unknown;
  idempotencyKey?: string;
}
/** A new token of the same principal. */
export interface RefreshRequest {
  token: string;
}
/** The lifetime of the new token; null: no expiry. */
export interface RefreshReply {
  expiresInMs: number | null;
}

/** Every request with its argument and the data of its ack. */
export interface Requests {
  subscribe: { request: SubscribeRequest; reply: SubscribeReply };
  unsubscribe: { request: ChannelRequest; reply: Record<string, never> };
  publish: { request: PublishRequest; reply: PublishReply };
  history: { request: HistoryRequest; reply: HistoryReply };
  "presence.join": { request: PresenceRequest; reply: PresencePosition };
  "presence.update": { request: PresenceRequest; reply: PresencePosition };
  "presence.leave": { request: ChannelRequest; reply: PresencePosition };
  "presence.list": { request: ChannelRequest; reply: Roster };
  rpc: { request: RpcRequest; reply: unknown };
  "auth.refresh": { request: RefreshRequest; reply: RefreshReply };
}
/** The name of a request. */
export type RequestName = keyof Requests;

/** The hub's answer to a request. */
export type Ack<Data> = { ok: true; data: Data } | { ok: false; error: ErrorObject };

/** Every push with its arguments. */
export interface Pushes {
  welcome: [Welcome];
  publications: [channel: string, publications: Publication[]];
  presence: [channel: string, diff: PresenceDiff];
  unsubscribed: [channel: string, error: ErrorObject];
  "token.expiring": [{ expiresInMs: number }];
  goaway: [{ reason: string; reconnectInMs: number }];
  /** Sent to a user when the result of `organizations.invitations` changes. */
  invitations: [Record<string, never>];
  /** Why the hub ends this connection. No other push follows. */
  closing: [ErrorObject];
}
