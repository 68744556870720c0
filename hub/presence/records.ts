import type { LeaveReason, Member, PresencePosition } from "@monster-realtime/client/protocol";
import type { MemberRecord, Ticket } from "./membership.ts";

/** What the store has of one member. */
export interface Reading {
  key: string;
  record: MemberRecord | null;
  /** The newest one that was minted for the record; 0 where none is known. */
  revision: number;
  /** The store's clock, milliseconds since 1970. */
  now: number;
  /** Of the data: grows where data was lost, or may have been. */
  generation: number;
  /** How long ago the generation began. */
  ageMs: number;
}

export interface Swap {
  channel: string;
  key: string;
  /** The record's revision as it was read: another one is a conflict. */
  expected: number;
  /** Null: there is no record any more. */
  next: MemberRecord | null;
  /** What rosters hear: the member as it is from now on, or why it left; null: nothing that rosters show has changed. */
  shown: Member | LeaveReason | null;
  /** The generation in which `next` was decided. */
  generation: number;
  /** The node that the record is noted for; null: it adds nothing that a node answers for. */
  incarnation: string | null;
  /** The new revision will be greater. */
  floor: number;
}

/** `conflict`: another revision is there. `lost`: in another generation. `cut_off`: the node's lease has ended. */
export type SwapOutcome = "ok" | "conflict" | "lost" | "cut_off";

/** What is there after the swap, or instead of it. */
export interface SwapReply extends Reading {
  outcome: SwapOutcome;
  position: PresencePosition;
}

/** A roster, or its position (`members` is empty then). */
export interface RosterReading extends PresencePosition {
  /** How long ago its epoch began. */
  ageMs: number;
  members: Member[];
}

/** A change of a channel, as every node that listens receives it. Versions grow by one within an epoch. */
export interface RosterMessage extends PresencePosition {
  put?: Member;
  leave?: { key: string; reason: LeaveReason };
  /** On a workstation's own channel: its owner and its projects. No field: nothing that rosters show has changed. */
  owner?: { connectionId: string; ticket: Ticket };
  projectIds?: readonly string[];
}

export interface LeaseRequest {
  part: number;
  incarnation: string;
  leaseMs: number;
  /** Begins a lease; otherwise one that has ended is refused. */
  take: boolean;
  /** The generation that the node knows; 0: none. */
  generation: number;
  /** Whether the node may take over from nodes whose lease has ended. */
  maySweep: boolean;
}

export interface LeaseReply {
  held: boolean;
  /** 0: the data is new, or may lack what was written before. Its generation must be founded first. */
  generation: number;
  /** What `found` has to name. */
  founding: string;
  ageMs: number;
  /** How long ago data was lost; null where none was. */
  sinceLossMs: number | null;
  /** Incarnations whose lease has ended, for this node to take over from. */
  dead: string[];
}

export interface RecordListener {
  message(channel: string, message: RosterMessage): void;
  /** Messages are received from now on; earlier ones may have been missed. */
  confirmed(channel: string): void;
}

/**
 * Where presence is stored: records that are compared and swapped, leases, and rosters that follow the records. It knows
 * no rules. Every method throws `unavailable` where the store can't be reached.
 */
export interface RecordStore {
  /** How many parts of the data can be lost apart from one another. */
  readonly parts: number;
  /** The part in which the channel's data is. */
  partOf(channel: string): number;

  /** A ticket after all that were given out before, with what is there. */
  ticket(channel: string, key: string): Promise<Reading & { ticket: Ticket }>;
  read(channel: string, key: string): Promise<Reading>;
  readAll(channel: string): Promise<Reading[]>;
  /** Notes a channel for whoever takes over from this incarnation. The data's generation; 0: the lease has ended. */
  note(incarnation: string, channel: string): Promise<number>;
  swap(swap: Swap): Promise<SwapReply>;
  /** Shows a workstation on a project's roster, or that it left, unless the roster knows a newer state. */
  show(
    channel: string,
    key: string,
    state: { generation: number; revision: number },
    shown: Member | LeaveReason,
  ): Promise<void>;

  roster(channel: string): Promise<RosterReading>;
  position(channel: string): Promise<PresencePosition>;
  count(channel: string): Promise<number>;
  /** Resolves when every later message of the channel is received. */
  listen(channel: string, listener: RecordListener): Promise<void>;
  unlisten(channel: string, listener?: RecordListener): void;

  lease(request: LeaseRequest): Promise<LeaseReply>;
  /**
   * Begins a generation where none has begun since the reply that named `founding`: one that was drawn before data were
   * lost once more is too old. `lost`: data was there before.
   */
  found(part: number, generation: number, founding: string, lost: boolean): Promise<void>;
  /** The data of this generation is of the past: a later one was known before. Another generation must be founded. */
  disown(part: number, generation: number): Promise<void>;
  noted(part: number, incarnation: string): Promise<string[]>;
  /** Nothing is held on these channels any more; only in the generation in which that was decided. */
  strike(part: number, incarnation: string, channels: readonly string[], generation: number): Promise<void>;
  /** Forgets an incarnation that holds nothing; only in the generation in which that was decided. */
  retire(part: number, incarnation: string, generation: number): Promise<void>;
}
