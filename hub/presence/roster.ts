import type { LeaveReason, Member, PresenceDiff, Roster } from "@monster-realtime/client/protocol";

/**
 * One channel's roster and the changes since its watchers heard last. Pure but for its own state.
 * Members are never changed in place: an encoded diff may still hold them.
 */
export class ChannelRoster {
  readonly epoch: string;
  #version: number;
  readonly #members: Map<string, Member>;
  #pending: PendingDiff | null = null;

  constructor(epoch: string, version = 0, members: readonly Member[] = []) {
    this.epoch = epoch;
    this.#version = version;
    this.#members = new Map(members.map((member) => [member.key, member]));
  }

  get version(): number {
    return this.#version;
  }

  get size(): number {
    return this.#members.size;
  }

  get hasPending(): boolean {
    return this.#pending !== null;
  }

  member(key: string): Member | undefined {
    return this.#members.get(key);
  }

  /** A join where the key is new, else an update. `track`: somebody watches, so the change must be told. */
  put(member: Member, track: boolean): void {
    const known = this.#members.has(member.key);
    this.#members.set(member.key, member);
    const diff = this.#next(track);
    if (known) diff?.update(member);
    else diff?.join(member);
  }

  /** False where the key was not there: nothing changed. */
  remove(key: string, reason: LeaveReason, track: boolean): boolean {
    if (!this.#members.delete(key)) return false;
    this.#next(track)?.leave(key, reason);
    return true;
  }

  /** The changes since the last call as one diff, or null. */
  takeDiff(): PresenceDiff | null {
    const diff = this.#pending?.toDiff(this.epoch, this.#version) ?? null;
    this.#pending = null;
    return diff;
  }

  snapshot(): Roster {
    return { epoch: this.epoch, version: this.#version, members: [...this.#members.values()] };
  }

  #next(track: boolean): PendingDiff | null {
    if (track) this.#pending ??= new PendingDiff(this.#version);
    else this.#pending = null;
    this.#version += 1;
    return this.#pending;
  }
}

/** Changes merged so that each key stands in one list with its net effect. */
class PendingDiff {
  readonly #from: number;
  readonly #joins = new Map<string, Member>();
  readonly #updates = new Map<string, Member>();
  readonly #leaves = new Map<string, LeaveReason>();

  constructor(from: number) {
    this.#from = from;
  }

  join(member: Member): void {
    // Watchers still have the one that left meanwhile: for them it never went.
    if (this.#leaves.delete(member.key)) this.#updates.set(member.key, member);
    else this.#joins.set(member.key, member);
  }

  update(member: Member): void {
    (this.#joins.has(member.key) ? this.#joins : this.#updates).set(member.key, member);
  }

  leave(key: string, reason: LeaveReason): void {
    if (this.#joins.delete(key)) return;
    this.#updates.delete(key);
    this.#leaves.set(key, reason);
  }

  toDiff(epoch: string, version: number): PresenceDiff {
    return {
      epoch,
      from: this.#from,
      version,
      joins: [...this.#joins.values()],
      updates: [...this.#updates.values()],
      leaves: [...this.#leaves].map(([key, reason]) => ({ key, reason })),
    };
  }
}
