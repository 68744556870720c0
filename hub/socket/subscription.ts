import type { Channel, ParsedChannel, PresenceDiff, Pushes, Roster } from "@monster-realtime/client/protocol";
import type { EncodedPublication } from "../broker/broker.ts";
import type { Reader, Span } from "./delivery-log.ts";
import { encodeEvent, type Frame } from "./frame.ts";

/**
 * The subscription's state in the channel's stream: `pending` keeps publications that arrive while the answer is prepared,
 * `live` receives them with all other subscriptions.
 */
type Stream = { kind: "pending"; kept: EncodedPublication[] } | { kind: "live" } | { kind: "ended" };

/** The same for presence. A `behind` subscription was congested and gets a whole roster once its client reads again. */
type PresenceFeed =
  | { kind: "none" }
  | { kind: "pending"; kept: PresenceDiff[] }
  | { kind: "live" }
  | { kind: "behind" };

// Shared constants: there are many subscriptions, and these states carry no data.
const LIVE: Stream = { kind: "live" };
const ENDED: Stream = { kind: "ended" };
const NO_PRESENCE: PresenceFeed = { kind: "none" };
const LIVE_PRESENCE: PresenceFeed = { kind: "live" };
const BEHIND: PresenceFeed = { kind: "behind" };

/** The connection of a subscription. */
export interface Subscriber {
  readonly subscriptions: Map<Channel, Subscription>;
  readonly outbound: { readonly congested: boolean };
  /** The recipient of what is sent here. */
  readonly reader: Reader;
  /** The time at which the hub ended the connection, by `performance.now()`; null: it did not. */
  readonly endedAt: number | null;
  write(frame: Frame): void;
  push<Name extends keyof Pushes>(name: Name, ...values: Pushes[Name]): void;
  /** The subscription skipped a presence diff: it gets the whole roster as soon as the queue is sent. */
  fellBehind(subscription: Subscription): void;
}

/** One connection's subscription to one channel. */
export class Subscription {
  readonly connection: Subscriber;
  readonly channel: ParsedChannel;
  #stream: Stream = { kind: "pending", kept: [] };
  #presence: PresenceFeed = NO_PRESENCE;
  /** The span of publications it has received since it became live. */
  span: Span | null = null;

  constructor(connection: Subscriber, channel: ParsedChannel) {
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

  /** Receives a publication of the channel; only a pending subscription keeps it. */
  keep(publication: EncodedPublication): void {
    if (this.#stream.kind === "pending") this.#stream.kept.push(publication);
  }

  /** Makes the subscription live, and returns the publications that arrived after `offset` while it was pending. */
  goLive(offset: number): EncodedPublication[] {
    const kept = this.#stream.kind === "pending" ? this.#stream.kept : [];
    if (this.#stream.kind !== "ended") this.#stream = LIVE;
    return kept.filter((publication) => !publication.ephemeral && publication.offset > offset);
  }

  end(): void {
    this.#stream = ENDED;
    this.#presence = NO_PRESENCE;
  }

  /** The client requested presence: diffs are kept until its snapshot is sent. */
  awaitPresence(): void {
    if (this.#stream.kind !== "ended") this.#presence = { kind: "pending", kept: [] };
  }

  stopPresence(): void {
    this.#presence = NO_PRESENCE;
  }

  /** The snapshot was sent: sends the kept diffs after it. */
  presenceSent(snapshot: Roster): void {
    if (this.#presence.kind !== "pending") return;
    const { kept } = this.#presence;
    this.#presence = LIVE_PRESENCE;
    for (const diff of kept) {
      // Versions of two epochs can't be compared: a client that receives another epoch than its roster's requests the roster.
      if (diff.epoch === snapshot.epoch && diff.version <= snapshot.version) continue;
      this.deliverPresence(diff, encodeDiff(this.name, diff));
    }
  }

  /** The snapshot could not be sent as an answer: pushes it, which replaces the client's roster. */
  presenceUnsent(snapshot: Roster | null): void {
    if (snapshot === null || this.#presence.kind !== "pending") return;
    this.#pushRoster(snapshot);
    this.presenceSent(snapshot);
  }

  /** A client that reads too slowly skips diffs, and gets the newest roster once it reads again. */
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

  /** Replaces the whole roster of a subscription that was behind. */
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
