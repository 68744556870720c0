import type { Channel, ParsedChannel, PresenceDiff, Roster } from "@monster-realtime/client/protocol";
import type { EncodedPublication } from "./broker/broker.ts";
import type { Connection } from "./connection.ts";
import { encodeEvent, type Frame } from "./frame.ts";
import type { Span } from "./inspection/delivery-log.ts";

/**
 * Where a subscription stands with the publications: `pending` keeps those that arrive while its answer is being made,
 * `live` gets them with everybody else.
 */
type Stream = { kind: "pending"; kept: EncodedPublication[] } | { kind: "live" } | { kind: "ended" };

/** The same for presence; `behind` was congested and gets a whole roster as soon as it reads again. */
type PresenceFeed =
  | { kind: "none" }
  | { kind: "pending"; kept: PresenceDiff[] }
  | { kind: "live" }
  | { kind: "behind" };

// Shared: there are many subscriptions, and these say nothing of their own.
const LIVE: Stream = { kind: "live" };
const ENDED: Stream = { kind: "ended" };
const NO_PRESENCE: PresenceFeed = { kind: "none" };
const LIVE_PRESENCE: PresenceFeed = { kind: "live" };
const BEHIND: PresenceFeed = { kind: "behind" };

/** One connection's subscription to one channel. */
export class Subscription {
  readonly connection: Connection;
  readonly channel: ParsedChannel;
  #stream: Stream = { kind: "pending", kept: [] };
  #presence: PresenceFeed = NO_PRESENCE;
  /** Since it is live: from where on it was served. */
  span: Span | null = null;

  constructor(connection: Connection, channel: ParsedChannel) {
    this.connection = connection;
    this.channel = channel;
  }

  get name(): Channel {
    return this.channel.name;
  }
  get live(): boolean {
    return this.#stream.kind === "live";
  }
  get ended(): boolean {
    return this.#stream.kind === "ended";
  }
  get wantsPresence(): boolean {
    return this.#presence.kind !== "none";
  }
  get behind(): boolean {
    return this.#presence.kind === "behind";
  }

  /** A publication arrived for the channel; only a pending subscription keeps it. */
  keep(publication: EncodedPublication): void {
    if (this.#stream.kind === "pending") this.#stream.kept.push(publication);
  }

  /** From now on it is delivered to with the others; gives back what came after `offset` meanwhile. */
  goLive(offset: number): EncodedPublication[] {
    const kept = this.#stream.kind === "pending" ? this.#stream.kept : [];
    if (this.#stream.kind !== "ended") this.#stream = LIVE;
    return kept.filter((publication) => !publication.ephemeral && publication.offset > offset);
  }

  end(): void {
    this.#stream = ENDED;
    this.#presence = NO_PRESENCE;
  }

  /** Asked for presence: diffs are kept until its snapshot has been sent. */
  awaitPresence(): void {
    if (this.#stream.kind !== "ended") this.#presence = { kind: "pending", kept: [] };
  }

  stopPresence(): void {
    this.#presence = NO_PRESENCE;
  }

  /** The snapshot has been handed over: what came after it follows. */
  presenceSent(snapshot: Roster): void {
    if (this.#presence.kind !== "pending") return;
    const { kept } = this.#presence;
    this.#presence = LIVE_PRESENCE;
    for (const diff of kept) {
      // Versions of two epochs can't be compared: a client told of another one than its roster's asks for the roster.
      if (diff.epoch === snapshot.epoch && diff.version <= snapshot.version) continue;
      this.deliverPresence(diff, encodeDiff(this.name, diff));
    }
  }

  /** The snapshot could not be handed over as an answer: it goes as a push that replaces whatever the client has. */
  presenceUnsent(snapshot: Roster | null): void {
    if (snapshot === null || this.#presence.kind !== "pending") return;
    this.#pushRoster(snapshot);
    this.presenceSent(snapshot);
  }

  /** A reader that can't follow is spared the diffs in between: it gets the newest roster once it reads again. */
  deliverPresence(diff: PresenceDiff, frame: Frame): void {
    if (this.#presence.kind === "pending") this.#presence.kept.push(diff);
    if (this.#presence.kind !== "live") return;
    if (this.connection.outbound.congested) this.#fallBehind();
    else this.connection.write(frame);
  }

  #fallBehind(): void {
    this.#presence = BEHIND;
    this.connection.fellBehind(this);
  }

  /** Replaces the whole roster of a reader that was behind. */
  catchUp(roster: Roster): void {
    if (this.#presence.kind !== "behind") return;
    this.#presence = LIVE_PRESENCE;
    this.#pushRoster(roster);
  }

  #pushRoster({ epoch, version, members }: Roster): void {
    this.connection.push("presence", this.name, {
      epoch,
      from: null,
      version,
      joins: members,
      updates: [],
      leaves: [],
    });
  }
}

export function encodeDiff(channel: Channel, diff: PresenceDiff): Frame {
  return encodeEvent("presence", JSON.stringify(channel), JSON.stringify(diff));
}
