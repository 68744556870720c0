import { DisconnectedError, OutcomeUnknownError, QueueFullError, type RealtimeError } from "./errors.ts";
import { jsonCopy } from "./json.ts";
import type { Outcome } from "./link.ts";
import type { PublishReply, PublishRequest } from "./protocol/index.ts";
import { Timer } from "./timer.ts";
import { ulid } from "./ulid.ts";
import type { Wire } from "./wire.ts";

/** The hub remembers ids for five minutes; a little less, for the way there. */
const ID_REMEMBERED_MS = 270_000;
/** Refusals after which the hub may have stored the publication all the same. */
const UNKNOWN_OUTCOMES: readonly string[] = ["timeout", "unavailable", "disconnected"];

/** How to publish. */
export interface PublishOptions {
  /** The idempotency key, a ULID; made where it is missing. Give the same one to repeat an older publish. */
  id?: string;
  /** Not stored: lost for whoever is away, and not repeated where its outcome is unknown. */
  ephemeral?: boolean;
  /** Gives up waiting; a publication that was sent already may be stored all the same. */
  signal?: AbortSignal;
}

interface Entry {
  request: PublishRequest & { id: string };
  attempt: number;
  /** The wall clock goes on while a laptop sleeps, the monotonic one does not. */
  unknownSinceMs: number | null;
  /** When it was sent last, in milliseconds since 1970. */
  sentAtMs: number;
  resolve(reply: PublishReply): void;
  reject(error: unknown): void;
}

/** Publishes in order per channel, over reconnects, each with one id until it is answered. */
export class Publisher {
  readonly #wire: Wire;
  readonly #limit: number;
  readonly #queues = new Map<string, ChannelQueue>();

  constructor(wire: Wire, limit: number) {
    this.#wire = wire;
    this.#limit = limit;
  }

  /**
   * Resolves with the place in the stream. Repeats after timeouts, lost connections and temporary refusals. Rejects with the
   * hub's refusal, QueueFullError, OutcomeUnknownError, ConnectionClosedError, or the signal's reason.
   */
  publish(channel: string, type: string, payload: unknown, options: PublishOptions): Promise<PublishReply> {
    const { signal } = options;
    let abort = () => {};
    const stored = new Promise<PublishReply>((resolve, reject) => {
      signal?.throwIfAborted();
      if (this.#waiting() >= this.#limit) throw new QueueFullError(this.#limit);
      const request = requestOf(channel, type, jsonCopy(payload, "payload"), options);
      const entry: Entry = { request, attempt: 0, unknownSinceMs: null, sentAtMs: 0, resolve, reject };
      const queue = this.#queueOf(channel);
      abort = () => {
        queue.remove(entry);
        reject(signal?.reason);
      };
      signal?.addEventListener("abort", abort, { once: true });
      queue.add(entry);
    });
    return stored.finally(() => signal?.removeEventListener("abort", abort));
  }

  connected(): void {
    for (const queue of this.#queues.values()) queue.pump();
  }

  closed(error: RealtimeError): void {
    for (const queue of this.#queues.values()) queue.rejectAll(error);
  }

  #waiting(): number {
    let waiting = 0;
    for (const queue of this.#queues.values()) waiting += queue.length;
    return waiting;
  }

  #queueOf(channel: string): ChannelQueue {
    const known = this.#queues.get(channel);
    if (known) return known;
    const queue: ChannelQueue = new ChannelQueue(this.#wire, () => {
      if (this.#queues.get(channel) === queue) this.#queues.delete(channel);
    });
    this.#queues.set(channel, queue);
    return queue;
  }
}

function requestOf(
  channel: string,
  type: string,
  payload: unknown,
  { id, ephemeral }: PublishOptions,
): Entry["request"] {
  return { channel, type, payload, id: id ?? ulid(), ...(ephemeral ? { ephemeral } : {}) };
}

/** One publication of a channel is on its way at a time: a second one could be stored before the first one's retry. */
class ChannelQueue {
  readonly #wire: Wire;
  readonly #emptied: () => void;
  readonly #timer = new Timer();
  #entries: Entry[] = [];
  #sending = false;

  constructor(wire: Wire, emptied: () => void) {
    this.#wire = wire;
    this.#emptied = emptied;
  }

  get length(): number {
    return this.#entries.length;
  }

  add(entry: Entry): void {
    this.#entries.push(entry);
    if (this.#entries.length === 1) this.pump();
  }

  remove(entry: Entry): void {
    const wasFirst = this.#entries[0] === entry;
    this.#entries = this.#entries.filter((other) => other !== entry);
    // Whoever was asked to slow down stays so, though the one that was told is gone.
    const mayGoOn = this.#entries.length === 0 || (wasFirst && !this.#timer.pending);
    if (!this.#sending && mayGoOn) this.pump();
  }

  rejectAll(error: RealtimeError): void {
    this.#timer.clear();
    const entries = this.#entries;
    this.#entries = [];
    for (const entry of entries) entry.reject(error);
    this.#emptied();
  }

  pump(): void {
    const [entry] = this.#entries;
    if (!entry && !this.#sending) {
      this.#timer.clear();
      this.#emptied();
    }
    if (!entry || this.#sending || !this.#wire.connected) return;
    this.#timer.clear();
    if (isForgotten(entry.unknownSinceMs, Date.now())) this.#drop(entry, new OutcomeUnknownError(entry.request.id));
    else this.#send(entry);
  }

  #send(entry: Entry): void {
    this.#sending = true;
    entry.sentAtMs = Date.now();
    this.#wire.send("publish", entry.request, (outcome) => {
      this.#sending = false;
      this.#settle(entry, outcome);
    });
  }

  #settle(entry: Entry, outcome: Outcome<PublishReply>): void {
    const wasGivenUp = this.#entries[0] !== entry;
    if (wasGivenUp) {
      this.pump();
    } else if (outcome.ok) {
      this.#entries.shift();
      entry.resolve(outcome.reply);
      this.pump();
    } else {
      this.#repeatOrDrop(entry, outcome.error);
    }
  }

  #repeatOrDrop(entry: Entry, error: RealtimeError): void {
    const wasSent = !(error instanceof DisconnectedError) || error.sent;
    const isUnknown = wasSent && UNKNOWN_OUTCOMES.includes(error.code);
    // Since it was sent: a machine that slept may notice much later that there was no answer.
    if (isUnknown) entry.unknownSinceMs ??= entry.sentAtMs;
    if (!error.temporary || (isUnknown && entry.request.ephemeral)) this.#drop(entry, error);
    else if (this.#wire.connected) this.#timer.set(this.#wire.retryDelayMs(entry.attempt++, error), () => this.pump());
  }

  #drop(entry: Entry, error: RealtimeError): void {
    this.#entries.shift();
    entry.reject(error);
    this.pump();
  }
}

/** Whether the hub may have forgotten an id whose outcome is unknown since then (null: it is not). */
export function isForgotten(unknownSinceMs: number | null, nowMs: number): boolean {
  return unknownSinceMs !== null && nowMs - unknownSinceMs > ID_REMEMBERED_MS;
}
