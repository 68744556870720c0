import type { Member, MemberKey } from "@monster-realtime/client/protocol";

/** One connection's part in a member. */
export interface MemberConnection {
  connectionId: string;
  meta: Record<string, unknown>;
}

/** A member and its live connections, the newest meta last. None: it is suspect. */
export interface Membership {
  key: string;
  memberKey: MemberKey;
  connections: readonly MemberConnection[];
  /** The meta it is shown with while no connection is left. */
  lastMeta: Record<string, unknown>;
  joinedAt: number;
  updatedAt: number;
}

/** The member after this connection joined it or changed its meta: the newest meta wins. */
export function withConnection(
  membership: Membership | undefined,
  request: { key: string; memberKey: MemberKey } & MemberConnection,
  now: number,
): Membership {
  const { key, memberKey, connectionId, meta } = request;
  const others = membership ? withoutConnection(membership, connectionId, now).connections : [];
  return {
    key,
    memberKey,
    connections: [...others, { connectionId, meta }],
    lastMeta: meta,
    joinedAt: membership?.joinedAt ?? now,
    updatedAt: now,
  };
}

/** The member after this connection went; with none left it keeps its last meta. */
export function withoutConnection(membership: Membership, connectionId: string, now: number): Membership {
  const connections = membership.connections.filter((connection) => connection.connectionId !== connectionId);
  const newest = connections.at(-1);
  return { ...membership, connections, lastMeta: newest?.meta ?? membership.lastMeta, updatedAt: now };
}

export function holds(membership: Membership | undefined, connectionId: string): boolean {
  return membership?.connections.some((connection) => connection.connectionId === connectionId) ?? false;
}

/** The member as rosters show it. */
export function toMember({ key, memberKey, connections, lastMeta, joinedAt, updatedAt }: Membership): Member {
  const state = connections.length > 0 ? "live" : "suspect";
  return { key, memberKey, meta: lastMeta, connections: connections.length, state, joinedAt, updatedAt };
}
