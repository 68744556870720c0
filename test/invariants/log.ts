import type { MemberKey } from "@monster-realtime/client";

/** What one subscriber saw of one channel, in order. */
export type Seen =
  /** It begins here, or after a declared loss. */
  | { kind: "start"; epoch: string; offset: number; at: number; lost?: { epoch: string; offset: number } }
  | {
      kind: "publication";
      epoch: string;
      offset: number;
      id: string;
      type: string;
      body: string;
      ephemeral: boolean;
      at: number;
    }
  | { kind: "recovered"; epoch: string; offset: number; at: number }
  /** The right to it is lost, and with it the subscription. */
  | { kind: "ended"; code: string; at: number };

export interface SubscriberLog {
  name: string;
  organization: string;
  channel: string;
  seen: Seen[];
  /** Joins and leaves of the roster as the application was told them. */
  roster: { kind: "join" | "leave"; key: string; at: number }[];
}

/** One publish as its publisher saw it. */
export interface Published {
  publisher: string;
  organization: string;
  channel: string;
  id: string;
  body: string;
  ephemeral: boolean;
  /** Its number among this publisher's on this channel. */
  turn: number;
  answer: { epoch: string; offset: number; duplicate: boolean; at: number } | { code: string } | null;
}

/** A request and how long its answer took. */
export interface Timed {
  what: string;
  ms: number;
}

/** A moment at which something stopped being true. */
export interface Revoked {
  subscriber: string;
  at: number;
}

/** Every presence revision of one workstation's row, in the order they were written. */
export interface RowLog {
  workstationId: string;
  revisions: number[];
}

/** What a run leaves behind, to be judged. */
export interface RunLog {
  subscribers: SubscriberLog[];
  published: Published[];
  requests: Timed[];
  revoked: Revoked[];
  rows: RowLog[];
  /** Moments after which streams of before are gone for good. */
  streamsLost: number[];
  final: FinalState;
}

/** How things stand once all is healed and quiet. */
export interface FinalState {
  /** Workstation → whether it is meant to be present; those the clients last asked for. */
  meant: Map<string, boolean>;
  /** Workstation → how its client stands. */
  clients: Map<string, string>;
  /** Of each project channel's subscriber: keys on its roster, and whether that is current or what it knew when it was cut off. */
  rosters: { subscriber: string; organization: string; keys: string[]; current: boolean }[];
  /** Workstation → what its row says. */
  rows: Map<string, string>;
  /** The workstations of each organization. */
  workstations: { id: string; organization: string }[];
  /** Channel → the newest publication after the heal, that everybody who may must have. */
  last: Map<string, { epoch: string; offset: number }>;
  /** Connections and channels that the nodes hold when everybody has left. */
  leftover: { connections: number; channels: number };
}

export const keyOf = (key: MemberKey): string =>
  "workstationId" in key ? `workstation:${key.workstationId}` : `user:${key.userId}`;
