import type { MemberKey } from "@monster-realtime/client";

/** The events of one subscriber on one channel, in order. */
export type Seen =
  /** The start of the subscription, or of its continuation after a reported loss. */
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
  /** The right to the channel was lost, and the subscription with it. */
  | { kind: "ended"; code: string; at: number };

export interface SubscriberLog {
  name: string;
  organization: string;
  channel: string;
  seen: Seen[];
  /** Joins and leaves of the roster, as reported to the application. */
  roster: { kind: "join" | "leave"; key: string; at: number }[];
}

/** One publish from its publisher's view. */
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

/** A request and the duration until its answer. */
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

/** The log of a run, for the checks. */
export interface RunLog {
  subscribers: SubscriberLog[];
  published: Published[];
  requests: Timed[];
  revoked: Revoked[];
  rows: RowLog[];
  /** Moments after which earlier streams are lost. */
  streamsLost: number[];
  final: FinalState;
}

/** The final state, when everything is healed and quiet. */
export interface FinalState {
  /** Workstation → whether it should be present, by its client's last request. */
  meant: Map<string, boolean>;
  /** Workstation → the state of its client. */
  clients: Map<string, string>;
  /** For each subscriber of a project channel: the keys on its roster, and whether the roster is current or outdated by a disconnect. */
  rosters: { subscriber: string; organization: string; keys: string[]; current: boolean }[];
  /** Workstation → the status in its row. */
  rows: Map<string, string>;
  /** The workstations of each organization. */
  workstations: { id: string; organization: string }[];
  /** Channel → the newest publication after the heal, which all authorized subscribers must have. */
  last: Map<string, { epoch: string; offset: number }>;
  /** Connections and channels that the nodes hold after all clients have left. */
  leftover: { connections: number; channels: number };
}

export const keyOf = (key: MemberKey): string =>
  "workstationId" in key ? `workstation:${key.workstationId}` : `user:${key.userId}`;
