import type { ErrorObject } from "./codes.ts";

/** The version of the wire protocol spoken by this package. */
export const PROTOCOL_VERSION = 1;

/** What a member of a channel is known by. A workstation's `userId` is an attribute, not part of its identity. */
export type MemberKey = WorkstationMemberKey | UserMemberKey;
export interface WorkstationMemberKey {
  workstationId: string;
  userId?: string;
}
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

export interface Roster<Meta extends object = Record<string, unknown>> {
  epoch: string;
  version: number;
  members: Member<Meta>[];
}

export type LeaveReason = "left" | "timeout" | "node_lost" | "revoked";
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

export interface Limits {
  messageBytes: number;
  metaBytes: number;
  recoveryBytes: number;
  channelsPerConnection: number;
  publishesPerSecond: number;
  rpcsPerSecond: number;
  requestsPerSecond: number;
}

export type PrincipalKind = "user" | "workstation" | "service";
export interface PrincipalInfo {
  kind: PrincipalKind;
  id: string;
  organizationIds: string[];
}

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

export interface SubscribeRequest {
  channel: string;
  recover?: StreamPosition;
  presence?: boolean;
}
export interface SubscribeReply extends StreamPosition {
  channel: string;
  recovered: boolean;
  publications: Publication[];
  presence: Roster | null;
}
export interface PublishRequest {
  channel: string;
  type: string;
  payload: unknown;
  id?: string;
  ephemeral?: boolean;
}
export interface PublishReply extends StreamPosition {
  id: string;
  duplicate?: true;
}
export interface HistoryRequest {
  channel: string;
  epoch?: string;
  after?: number;
  before?: number;
  limit?: number;
  reverse?: boolean;
}
export interface HistoryReply extends StreamPosition {
  publications: Publication[];
  /** False: the asked range was partly trimmed. */
  complete: boolean;
}
export interface ChannelRequest {
  channel: string;
}
export interface PresenceRequest {
  channel: string;
  meta: Record<string, unknown>;
}
export interface RpcRequest {
  method: string;
  params?: unknown;
  idempotencyKey?: string;
}
export interface RefreshRequest {
  token: string;
}
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
export type RequestName = keyof Requests;

export type Ack<Data> = { ok: true; data: Data } | { ok: false; error: ErrorObject };

/** Every push with its arguments. */
export interface Pushes {
  welcome: [Welcome];
  publications: [channel: string, publications: Publication[]];
  presence: [channel: string, diff: PresenceDiff];
  unsubscribed: [channel: string, error: ErrorObject];
  "token.expiring": [{ expiresInMs: number }];
  goaway: [{ reason: string; reconnectInMs: number }];
  /** The same as `disconnecting`, under a name that Socket.IO's JavaScript clients don't reserve. */
  closing: [ErrorObject];
  disconnecting: [ErrorObject];
}
