import type { Settle } from "../connection/link.ts";
import { Emitter } from "../kernel/emitter.ts";
import { ConnectionClosedError, type RealtimeError } from "../kernel/errors.ts";
import { Timer } from "../kernel/timer.ts";
import type {
  HistoryReply,
  PresenceDiff,
  Publication,
  PublishReply,
  RequestName,
  Requests,
  StreamPosition,
  SubscribeReply,
  SubscribeRequest,
} from "../protocol/index.ts";
import { iterate } from "./iteration.ts";
import { PresenceRoster } from "./presence-roster.ts";
import type { PublishOptions } from "./publisher.ts";
import { judgeRecovery, receive } from "./stream.ts";
import type {
  HistoryQuery,
  PresenceMetaOf,
  SubscriptionEvents,
  SubscriptionParts,
  SubscriptionState,
} from "./subscription-events.ts";

interface Waiter {
  resolve(position: StreamPosition): void;
  reject(error: RealtimeError): void;
}

/**
 * One channel's publications, each exactly once and in order of offset, across any number of connections. Missed
 * publications are recovered. If the hub can't recover them, `lost` is emitted and the stream continues at a new
 * position.
 */
export class Subscription<Name extends string = string> {
  readonly channel: Name;
  readonly #parts: SubscriptionParts;
  readonly #events: Emitter<SubscriptionEvents>;
  readonly #timer = new Timer();
  readonly #listTimer = new Timer();
  readonly #waiters = new Set<Waiter>();
  #state: SubscriptionState = { name: "pending" };
  #position: StreamPosition | null;
  #roster: PresenceRoster<PresenceMetaOf<Name>> | null = null;
  #holders = 0;
  #failures = 0;
  /** The hub said "recovered" but sent an incomplete range. The client asks once more, then treats it as lost. */
  #doubted = false;
  /** Identifies the current subscribe request. Answers to older ones are ignored. */
  #attempt: object = {};
  /** Publications that arrived before the answer to that request. */
  #held: Publication[] = [];

  /** @internal Use `client.subscribe()`. */
  constructor(channel: Name, parts: SubscriptionParts, recover: StreamPosition | null) {
    this.channel = channel;
    this.#parts = parts;
    this.#position = recover;
    this.#events = new Emitter((thrown) => parts.wire.report(thrown));
  }

  get state(): SubscriptionState {
    return this.#state;
  }

  /** The position of the last delivered publication, for `recover`. Null before the first answer. */
  get position(): StreamPosition | null {
    return this.#position;
  }

  /** The members present. Null unless a holder subscribed with `presence: true`. */
  get presence(): PresenceRoster<PresenceMetaOf<Name>> | null {
    return this.#roster;
  }

  /** Calls `handler` at each event until the returned function is called. */
  on<Event extends keyof SubscriptionEvents>(
    name: Event,
    handler: (...args: SubscriptionEvents[Event]) => unknown,
  ): () => void {
    return this.#events.on(name, handler);
  }

  /** Resolves with the position once the subscription is live. Rejects with the reason if it ended. */
  ready(): Promise<StreamPosition> {
    const state = this.#state;
    if (state.name === "live" && this.#position) return Promise.resolve(this.#position);
    if (state.name === "ended") return Promise.reject(state.error ?? new ConnectionClosedError(null));
    return new Promise((resolve, reject) => this.#waiters.add({ resolve, reject }));
  }

  /** Returns stored publications of this channel; see `client.history()`. */
  history(query: HistoryQuery = {}): Promise<HistoryReply> {
    return this.#parts.history(this.channel, query);
  }

  /** Publishes on this channel; see `client.publish()`. */
  publish(type: string, payload: unknown, options: PublishOptions = {}): Promise<PublishReply> {
    return this.#parts.publish(this.channel, type, payload, options);
  }

  /**
   * Releases one holder. The last release ends the subscription. Resolves when the hub has confirmed it, or can't be
   * reached.
   */
  async unsubscribe(): Promise<void> {
    this.#holders = Math.max(0, this.#holders - 1);
    if (this.#holders > 0 || this.#state.name === "ended") return;
    this.#end(null);
    await new Promise<void>((resolve) => this.#sendUnsubscribe(0, resolve));
  }

  [Symbol.asyncIterator](): AsyncGenerator<Publication, void, void> {
    return iterate(this);
  }

  /** @internal Adds one holder. Asking for presence later upgrades the subscription. */
  hold(presence: boolean): void {
    this.#holders++;
    if (!presence || this.#roster) return;
    this.#roster = this.#makeRoster();
    if (this.#state.name === "live") this.#upgrade();
  }

  /** @internal */
  connected(): void {
    this.#failures = 0;
    this.#subscribe();
  }

  /** @internal */
  disconnected(): void {
    this.#attempt = {};
    this.#pause();
  }

  /** @internal */
  closed(error: RealtimeError | null): void {
    this.#end(error);
  }

  /** @internal */
  receivePublications(publications: readonly Publication[]): void {
    if (this.#state.name === "pending") this.#held.push(...publications);
    if (this.#state.name === "live") this.#advance(publications);
  }

  /** @internal */
  receivePresence(diff: PresenceDiff): void {
    this.#roster?.receiveDiff(diff);
  }

  /** @internal The hub ended the subscription. */
  receiveEnd(error: RealtimeError): void {
    this.#attempt = {};
    this.#retryOrEnd(error, () => this.#subscribe());
  }

  #subscribe(): void {
    this.#attempt = {};
    this.#held = [];
    const from = this.#position;
    const withPresence = this.#roster !== null;
    this.#ask("subscribe", this.#request(), (outcome) => {
      if (outcome.ok) this.#accept(from, outcome.reply, withPresence);
      else this.#retryOrEnd(outcome.error, () => this.#restart());
    });
  }

  /**
   * Unsubscribes first: the hub answers a subscribe request on a live subscription without publications, so it can't
   * recover.
   */
  #restart(): void {
    this.#pause();
    this.#attempt = {};
    this.#ask("unsubscribe", { channel: this.channel }, (outcome) => {
      if (outcome.ok) this.#subscribe();
      else this.#retryOrEnd(outcome.error, () => this.#restart());
    });
  }

  /**
   * Repeats until the hub confirms or it is unnecessary. Otherwise the hub keeps sending on a channel without a
   * subscriber.
   */
  #sendUnsubscribe(failures: number, done: () => void): void {
    const { wire, isFollowed } = this.#parts;
    if (isFollowed(this.channel)) {
      done();
      return;
    }
    wire.send("unsubscribe", { channel: this.channel }, (outcome) => {
      if (outcome.ok || !outcome.error.temporary || !wire.connected) return done();
      this.#timer.set(wire.retryDelayMs(failures, outcome.error), () => this.#sendUnsubscribe(failures + 1, done));
    });
  }

  /** Sends a request and ignores the answer if another attempt has begun. */
  #ask<Request extends RequestName>(
    name: Request,
    argument: Requests[Request]["request"],
    settle: Settle<Requests[Request]["reply"]>,
  ): void {
    const attempt = this.#attempt;
    this.#parts.wire.send(name, argument, (outcome) => {
      if (this.#attempt === attempt) settle(outcome);
    });
  }

  #request(): SubscribeRequest {
    const { channel } = this;
    const recover = this.#position ? { recover: this.#position } : {};
    return { channel, ...recover, ...(this.#roster ? { presence: true } : {}) };
  }

  #accept(from: StreamPosition | null, reply: SubscribeReply, withPresence: boolean): void {
    const attempt = this.#attempt;
    const recovery = from ? judgeRecovery(from, reply) : null;
    if (recovery?.outcome === "incomplete" && !this.#doubted) {
      this.#doubted = true;
      this.#restart();
      return;
    }
    this.#doubted = false;
    const position = { epoch: reply.epoch, offset: reply.offset };
    const recovered = recovery?.outcome === "recovered" ? recovery.deliver : null;
    if (recovered && !this.#deliver(recovered, attempt)) return;
    const held = from && from.epoch !== reply.epoch ? [] : this.#held;
    this.#position = position;
    this.#become({ name: "live" });
    if (reply.presence) this.#roster?.receiveSnapshot(reply.presence);
    if (recovered) this.#events.emit("recovered", { position, publications: recovered.length });
    else if (from) this.#events.emit("lost", { previous: from, position });
    this.#settleWaiters((waiter) => waiter.resolve(position));
    if (this.#attempt !== attempt) return;
    this.#advance(held);
    if (this.#roster && !withPresence) this.#upgrade();
  }

  #advance(publications: readonly Publication[]): void {
    if (!this.#position) return;
    const attempt = this.#attempt;
    const { deliver, gap } = receive(this.#position, publications);
    if (deliver.length > 0) this.#failures = 0;
    if (this.#deliver(deliver, attempt) && gap) this.#restart();
  }

  /** Returns false if a handler ended this attempt: the rest is dropped. */
  #deliver(publications: readonly Publication[], attempt: object): boolean {
    for (const publication of publications) {
      if (this.#attempt !== attempt || !this.#position) return false;
      this.#position = { ...this.#position, offset: publication.offset };
      this.#events.emit("publication", publication);
    }
    return this.#attempt === attempt;
  }

  /** Adds presence to a live subscription. Its publications continue. */
  #upgrade(): void {
    this.#ask("subscribe", this.#request(), (outcome) => {
      if (!outcome.ok) return this.#upgradeFailed(outcome.error);
      const { reply } = outcome;
      if (!reply.recovered || reply.epoch !== this.#position?.epoch) return this.#restart();
      if (reply.presence) this.#roster?.receiveSnapshot(reply.presence);
      this.#advance(reply.publications);
    });
  }

  #upgradeFailed(error: RealtimeError): void {
    if (error.temporary) this.#retry(error, () => this.#upgrade());
    else this.#rosterRefused(error);
  }

  /** Subscribes again. The reply brings the roster, or the refusal that ends the subscription. */
  #rosterRefused(error: RealtimeError): void {
    this.#retry(error, () => this.#restart());
    this.#events.emit("error", error);
  }

  #retry(error: RealtimeError, action: () => void): void {
    this.#timer.set(this.#parts.wire.retryDelayMs(this.#failures++, error), action);
  }

  #retryOrEnd(error: RealtimeError, retry: () => void): void {
    if (!error.temporary) {
      this.#end(error);
      return;
    }
    this.#pause();
    if (!this.#parts.wire.connected) return;
    const first = this.#failures++ === 0;
    const delayMs = first ? (error.retryAfterMs ?? 0) : this.#parts.wire.retryDelayMs(this.#failures - 2, error);
    this.#timer.set(delayMs, retry);
  }

  #pause(): void {
    this.#stopTimers();
    this.#roster?.disconnected();
    this.#become({ name: "pending" });
  }

  #end(error: RealtimeError | null): void {
    if (this.#state.name === "ended") return;
    this.#attempt = {};
    this.#stopTimers();
    this.#roster?.disconnected();
    this.#parts.ended(this.channel);
    this.#become({ name: "ended", error });
    this.#settleWaiters((waiter) => waiter.reject(error ?? new ConnectionClosedError(null)));
    if (error) this.#events.emit("error", error);
  }

  #stopTimers(): void {
    this.#timer.clear();
    this.#listTimer.clear();
  }

  #become(state: SubscriptionState): void {
    const previous = this.#state;
    if (previous.name === state.name || previous.name === "ended") return;
    this.#state = state;
    this.#events.emit("state", state, previous);
  }

  #settleWaiters(settle: (waiter: Waiter) => void): void {
    const waiters = [...this.#waiters];
    this.#waiters.clear();
    for (const waiter of waiters) settle(waiter);
  }

  #makeRoster(): PresenceRoster<PresenceMetaOf<Name>> {
    return new PresenceRoster({
      onHandlerError: (thrown) => this.#parts.wire.report(thrown),
      askForList: () => this.#askForList(0),
    });
  }

  #askForList(failures: number): void {
    this.#ask("presence.list", { channel: this.channel }, (outcome) => {
      if (outcome.ok) return this.#roster?.receiveSnapshot(outcome.reply);
      if (!outcome.error.temporary) return this.#rosterRefused(outcome.error);
      const delayMs = this.#parts.wire.retryDelayMs(failures, outcome.error);
      this.#listTimer.set(delayMs, () => this.#askForList(failures + 1));
    });
  }
}
