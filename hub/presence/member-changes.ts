import { HubError } from "../kernel/errors.ts";
import type { NodeLease, NodeLeases } from "./leases.ts";
import { type Command, type Decision, decide, isPresent, type Status, toMember } from "./membership.ts";
import type { Reading, RecordStore, SwapReply } from "./records.ts";

/** A command that is decided on what is there. */
export interface Change {
  channel: string;
  key: string;
  /** Whether the node answers for something on the channel afterwards: then the channel is noted for it before. */
  holds: boolean;
  /** Null: there is nothing to do any more. */
  command(reading: Reading, incarnation: string): Command | null;
  /** What was read a moment ago. */
  known?: Reading | null;
  /** It counts in this generation alone: what it ends may have begun again since. */
  generation?: number | undefined;
  /** The record's new revision is greater. */
  floor?: number;
  /** Called with the outcome, before anything follows from it. */
  decided?(outcome: Outcome): void;
}

/** What is there after the change, or without it. `dropped`: there was nothing to do. `past`: the data is another. */
export interface Outcome {
  status: Status | "dropped" | "past";
  reading: Reading;
  /** Null where nothing was written. */
  reply: SwapReply | null;
  channel: string;
}

export interface MemberChangesOptions {
  store: RecordStore;
  leases: NodeLeases;
  /** The newest revision of the member that is known here. */
  floorOf(channel: string, key: string): number;
  /** What is there has changed, or may have by a swap before that got no answer. */
  follow(outcome: Outcome): Promise<void>;
}

/** Under which a channel is noted. */
export interface Note {
  lease: NodeLease;
  incarnation: string;
  generation: number;
}

/** More conflicts in a row than clients and nodes can cause. */
const MAX_ROUNDS = 20;

/** Carries out commands: notes the channel, reads, decides, swaps, and decides again where something else came first. */
export class MemberChanges {
  readonly #options: MemberChangesOptions;
  readonly #queues = new Map<string, Promise<unknown>>();
  /** Members with a swap that got no answer: what follows from it is still to be done. */
  readonly #unanswered = new Set<string>();

  constructor(options: MemberChangesOptions) {
    this.#options = options;
  }

  /** One after the other for each member, in the order of the calls. */
  inOrder<Result>(channel: string, key: string, work: () => Promise<Result>): Promise<Result> {
    const id = idOf(channel, key);
    const before = this.#queues.get(id);
    const done = before ? before.then(work, work) : work();
    this.#queues.set(id, done);
    const clear = () => {
      if (this.#queues.get(id) === done) this.#queues.delete(id);
    };
    done.then(clear, clear);
    return done;
  }

  /**
   * The channel is noted under the same incarnation, and in the same generation of the data, in which the change is
   * written: otherwise whoever takes over from this node would not look there. Throws `unavailable`.
   */
  async apply(change: Change): Promise<Outcome> {
    const { channel, key } = change;
    // What follows from a swap without an answer follows from what is there now.
    let known = this.#unanswered.has(idOf(channel, key)) ? null : (change.known ?? null);
    for (let round = 0; round < MAX_ROUNDS; round += 1) {
      const note = change.holds ? await this.note(channel) : null;
      const reading = known ?? (await this.#options.store.read(channel, key));
      if (reading.generation === 0 && known === null) {
        // The data is another than this node knows.
        await this.#options.leases.renew(this.#options.leases.of(channel));
        continue;
      }
      const outcome = await this.#attempt(change, reading, note);
      if (outcome) return outcome;
      // The node, or the data, is another one than was noted.
      if (note && known === null) await this.#doubt(channel, note);
      known = null;
    }
    throw unsettled();
  }

  /** Notes the channel before something is held on it. Throws `unavailable`. */
  async note(channel: string): Promise<Note> {
    const lease = await this.#options.leases.valid(channel);
    const { incarnation } = lease;
    return { lease, incarnation, generation: await lease.note(channel) };
  }

  async #doubt(channel: string, { lease, incarnation }: Note): Promise<void> {
    if (lease.incarnation === incarnation) lease.doubt();
    await this.#options.leases.valid(channel);
  }

  /** Null where it has to begin again. */
  async #attempt(change: Change, first: Reading, note: Note | null): Promise<Outcome | null> {
    const { channel, key, generation, floor = 0 } = change;
    const incarnation = note?.incarnation ?? null;
    const id = idOf(channel, key);
    let reading = first;
    for (let round = 0; round < MAX_ROUNDS; round += 1) {
      const isPast = note && (note.lease.incarnation !== incarnation || reading.generation !== note.generation);
      if (isPast) return null;
      const unchanged = { reading, reply: null, channel };
      const isPastGeneration = generation !== undefined && generation !== reading.generation;
      const command = isPastGeneration ? null : change.command(reading, incarnation ?? "");
      if (!command)
        return this.#decided(change, { status: isPastGeneration ? "past" : "dropped", ...unchanged }, false);
      const decision = decide(reading.record, command, reading.now);
      if (decision.next === undefined) return this.#decided(change, { status: decision.status, ...unchanged }, false);
      const isUnanswered = this.#unanswered.has(id);
      this.#unanswered.add(id);
      const reply = await this.#options.store.swap({
        channel,
        key,
        expected: reading.revision,
        next: decision.next,
        shown: shownBy(key, decision, command),
        generation: reading.generation,
        incarnation,
        floor: Math.max(floor, this.#options.floorOf(channel, key)),
      });
      if (!isUnanswered) this.#unanswered.delete(id);
      if (reply.outcome === "ok") {
        const isNews = command.kind !== "mint" && command.kind !== "shown";
        return this.#decided(change, { status: decision.status, reading: reply, reply, channel }, isNews);
      }
      if (reply.outcome !== "conflict") return null;
      reading = reply;
    }
    return null;
  }

  async #decided(change: Change, outcome: Outcome, isNews: boolean): Promise<Outcome> {
    const wasUnanswered = this.#unanswered.delete(idOf(change.channel, change.key));
    change.decided?.(outcome);
    if (isNews || wasUnanswered) await this.#options.follow(outcome);
    return outcome;
  }
}

function idOf(channel: string, key: string): string {
  return `${channel}\n${key}`;
}

function unsettled(): HubError {
  return new HubError("unavailable", "Presence is being rebuilt, or changes too often. Try again.", {
    retryAfterMs: 1_000,
  });
}

/** What rosters hear of a decision. */
function shownBy(key: string, { status, next, left }: Decision, { kind }: Command) {
  if (left !== undefined) return left;
  const isHidden =
    (status !== "ok" && kind !== "restore") || kind === "mint" || kind === "setProjects" || kind === "shown";
  return !isHidden && next && isPresent(next) ? toMember(key, next) : null;
}
