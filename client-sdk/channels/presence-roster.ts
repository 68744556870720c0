import { Emitter } from "../kernel/emitter.ts";
import type { Leave, Member, PresenceDiff, Roster } from "../protocol/index.ts";
import {
  applyDiff,
  applySnapshot,
  EMPTY_ROSTER,
  losePlace,
  type RosterChange,
  type RosterEvent,
  type RosterState,
} from "./roster.ts";

/** The roster's events, with the arguments of their handlers. A member's joins and leaves alternate. */
export type PresenceRosterEvents<Meta extends object> = {
  /**
   * A snapshot was applied: `members` is complete and current again. Emitted after the snapshot's joins, updates and
   * leaves.
   */
  sync: [members: readonly Member<Meta>[]];
  join: [member: Member<Meta>];
  update: [member: Member<Meta>, previous: Member<Meta>];
  /** The reason is `unknown` if the member left while this client was disconnected. */
  leave: [member: Member<Meta>, reason: Leave["reason"]];
};

/** The members present on a channel, kept current by the hub. While disconnected it shows the last known members. */
export class PresenceRoster<Meta extends object = Record<string, unknown>> {
  readonly #events: Emitter<PresenceRosterEvents<Meta>>;
  readonly #askForList: () => void;
  #state: RosterState = EMPTY_ROSTER;
  #members: readonly Member<Meta>[] = [];

  constructor(parts: { askForList: () => void; onHandlerError: (thrown: unknown) => void }) {
    this.#askForList = parts.askForList;
    this.#events = new Emitter(parts.onHandlerError);
  }

  /** Returns the same array until a member changes, so that it can be compared by identity. */
  get members(): readonly Member<Meta>[] {
    return this.#members;
  }

  /** False before the first snapshot, while disconnected, and until a gap is closed. */
  get synced(): boolean {
    return this.#state.inStep;
  }

  /** Returns the member with this key (`workstation:<id>`, `user:<id>`). */
  get(key: string): Member<Meta> | undefined {
    return this.#state.members.get(key) as Member<Meta> | undefined;
  }

  /** Calls `handler` at each event until the returned function is called. `members` is current in the handler. */
  on<Name extends keyof PresenceRosterEvents<Meta>>(
    name: Name,
    handler: (...args: PresenceRosterEvents<Meta>[Name]) => unknown,
  ): () => void {
    return this.#events.on(name, handler);
  }

  /** @internal */
  receiveSnapshot(snapshot: Roster): void {
    this.#change(applySnapshot(this.#state, snapshot));
  }

  /** @internal */
  receiveDiff(diff: PresenceDiff): void {
    this.#change(applyDiff(this.#state, diff));
  }

  /** @internal */
  disconnected(): void {
    this.#state = losePlace(this.#state);
  }

  #change({ roster, events, gap }: RosterChange): void {
    if (roster.members !== this.#state.members)
      this.#members = [...roster.members.values()] as unknown as Member<Meta>[];
    this.#state = roster;
    for (const event of events) this.#emit(event);
    if (gap) this.#askForList();
  }

  #emit(event: RosterEvent): void {
    const { type, ...rest } = event;
    // The fields of a RosterEvent are in the order of the handler's arguments.
    this.#events.emit(type, ...((type === "sync" ? [this.#members] : Object.values(rest)) as [never, never]));
  }
}
