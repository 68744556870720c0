import type { ErrorObject } from "./codes.ts";

/** The version of the wire protocol spoken by this package. */
export const PROTOCOL_VERSION = 1;

/** What a member of a channel is known by. A workstation's `userId` is an attribute, not part of its identity. */
export type MemberKey = WorkstationMemberKey | UserMemberKey;
/** A workstation among the members of a channel. */
export interface WorkstationMemberKey {
  workstationId: string;
  userId?: string;
}
/** A person among the members of a channel, whatever number of pages they have open. */
export interface UserMemberKey {
  userId: string;
}

/** One message of a channel. Offsets count from 1 within an epoch, without gaps; ephemeral ones carry the newest stored offset. */
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
  /** `suspect`: the last connection was lost and the grace time runs. */
  state: "live" | "suspect";
  joinedAt: number;
  updatedAt: number;
}

/** The meta of a workstation; further keys are kept. */
export interface WorkstationPresenceMeta {
  status: "online" | "busy" | "offline";
  availableAgents: string[];
  activeProjects: string[];
  devServerPort?: number;
  currentTaskCount: number;
  [key: string]: unknown;
}

/** Everybody who is present on a channel, at one version of it. */
export interface Roster<Meta extends object = Record<string, unknown>> {
  epoch: string;
  version: number;
  members: Member<Meta>[];
}

/** Why a member left: it said so, was away for longer than the grace time, its node died, or it lost its rights. */
export type LeaveReason = "left" | "timeout" | "node_lost" | "revoked";
/** One member that left. */
export interface Leave {
  key: string;
  reason: LeaveReason | (string & {});
}

/** Applies on top of version `from` and yields `version`; `from: null` replaces the whole roster with `joins`. */
export interface PresenceDiff<Meta extends object = Record<string, unknown>> {
  epoch: string;
  from: number | null;
  version: number;
  joins: Member<Meta>[];
  updates: Member<Meta>[];
  leaves: Leave[];
}

/** A place in a stream. */
export interface StreamPosition {
  epoch: string;
  offset: number;
}
/** A place in a roster's history. */
export interface PresencePosition {
  epoch: string;
  version: number;
}

/** What a principal may use up over all its connections and HTTP calls on one node. */
export interface PrincipalLimits {
  publishesPerSecond: number;
  rpcsPerSecond: number;
  requestsPerSecond: number;
  /** RPC calls that are carried out at once. Further ones wait. */
  rpcsInFlight: number;
  /** What the hub reads in a second. Beyond it reading pauses on all connections. */
  bytesPerSecond: number;
}

/** What one connection may use up, as `welcome` states it. */
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
  /** How many packets one polling request may carry. */
  packetsPerPost: number;
  /** What the hub reads in a second. Beyond it reading pauses; after ten seconds without a break the connection ends. */
  bytesPerSecond: number;
  /** What the connection's principal may use up. */
  principal: PrincipalLimits;
}

/** What a token stands for. */
export type PrincipalKind = "user" | "workstation" | "service";
/** Whom the hub takes this connection for. `organizationIds` is empty for services of all organizations. */
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
  /** Milliseconds until the token runs out; `null` for tokens that don't. */
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

/** Follows a channel: from now on, or from behind the position `recover`. */
export interface SubscribeRequest {
  channel: string;
  recover?: StreamPosition;
  presence?: boolean;
}
/** Where the subscription begins. `recovered` with every publication behind the asked position, or false with none; `presence` is null where it was not asked for. */
export interface SubscribeReply extends StreamPosition {
  channel: string;
  recovered: boolean;
  publications: Publication[];
  presence: Roster | null;
}
/** One message for a channel. `id`, 1–64 printable ASCII characters, makes it safe to send it again; an ephemeral one is not stored. */
export interface PublishRequest {
  channel: string;
  type: string;
  payload: unknown;
  id?: string;
  ephemeral?: boolean;
}
/** Where the publication stands in the stream. `duplicate`: it stood there already. */
export interface PublishReply extends StreamPosition {
  id: string;
  duplicate?: true;
}
/** Stored publications between two offsets, both exclusive. `limit` is 1–1,000, 100 where it is missing; `reverse`: newest first. */
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
  /** False: the asked range was partly trimmed. */
  complete: boolean;
}
/** What needs nothing but a channel. */
export interface ChannelRequest {
  channel: string;
}
/** The whole meta that a member shows from now on. */
export interface PresenceRequest {
  channel: string;
  meta: Record<string, unknown>;
}
/** A call of one of `RpcMethods`. With an `idempotencyKey` a write is carried out once in 24 hours, however often it is sent. */
export interface RpcRequest {
  method: string;
  params?: unknown;
  idempotencyKey?: string;
}
/** A new token of the same principal. */
export interface RefreshRequest {
  token: string;
}
/** How long the new token lasts; null: for ever. */
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

/** How the hub answers every request. */
export type Ack<Data> = { ok: true; data: Data } | { ok: false; error: ErrorObject };

/** Every push with its arguments. */
export interface Pushes {
  welcome: [Welcome];
  publications: [channel: string, publications: Publication[]];
  presence: [channel: string, diff: PresenceDiff];
  unsubscribed: [channel: string, error: ErrorObject];
  "token.expiring": [{ expiresInMs: number }];
  goaway: [{ reason: string; reconnectInMs: number }];
  /** To a user: `organizations.invitations` answers something else now. */
  invitations: [Record<string, never>];
  /** Why the hub ends this connection; nothing else follows. */
  closing: [ErrorObject];
}
