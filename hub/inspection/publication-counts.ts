import { type ParsedChannel, parseChannel } from "@monster-realtime/client/protocol";

/** A node's count of one channel. */
export interface ChannelCount {
  perSecond: number;
  total: number;
  /** Milliseconds since 1970; null: none. */
  lastAt: number | null;
}

interface Counter {
  readonly channel: string;
  /** The channel's organization, which never changes. Null: not queried yet, or unknown. */
  organizationId: string | null;
  minute: number;
  inMinute: number;
  inMinuteBefore: number;
  total: number;
  lastAt: number;
}
/** A past minute of one channel that was not added to its organization's count yet. */
interface Unattributed {
  counter: Counter;
  minute: number;
  count: number;
}

export const MINUTE_MS = 60_000 as const;
/** The longest period of a query. */
export const MAX_MINUTES = 1_440;
/** Channels whose counts are kept; beyond them, those without publications for longest are removed. */
const MAX_CHANNELS = 50_000;
/** The limit while the organizations of channels can't be queried. */
const MAX_UNATTRIBUTED = 200_000;

/**
 * Counts this node's accepted publications, by channel and by organization. A publication costs one map look-up: the
 * channel's organization is queried when its minute has passed, or for a query of counts.
 */
export class PublicationCounts {
  readonly #organizationOf: (channel: ParsedChannel) => Promise<string | null>;
  readonly #counters = new Map<string, Counter>();
  /** Counters with publications in the current minute. */
  #active: Counter[] = [];
  #minute = 0;
  #over: Unattributed[] = [];
  /** Organization → minute → publications. */
  readonly #ofOrganization = new Map<string, Map<number, number>>();
  readonly #settler: NodeJS.Timeout;

  constructor(organizationOf: (channel: ParsedChannel) => Promise<string | null>) {
    this.#organizationOf = organizationOf;
    this.#settler = setInterval(() => void this.settle(), MINUTE_MS).unref();
  }

  close(): void {
    clearInterval(this.#settler);
  }

  /** Counts one publication, now. */
  count(channel: string, now: number): void {
    const counter = this.#counters.get(channel) ?? this.#open(channel);
    const minute = Math.floor(now / MINUTE_MS);
    if (counter.minute !== minute) this.#turn(counter, minute);
    counter.inMinute += 1;
    counter.total += 1;
    counter.lastAt = now;
  }

  ofChannel(channel: string, now: number): ChannelCount {
    const counter = this.#counters.get(channel);
    if (!counter) return { perSecond: 0, total: 0, lastAt: null };
    const minute = Math.floor(now / MINUTE_MS);
    const age = minute - counter.minute;
    const current = age <= 0 ? counter.inMinute : 0;
    const before = age <= 0 ? counter.inMinuteBefore : age === 1 ? counter.inMinute : 0;
    // Of the previous minute, only the part within the last 60 seconds counts.
    const within = 1 - (now - minute * MINUTE_MS) / MINUTE_MS;
    return {
      perSecond: ((current + before * within) * 1_000) / MINUTE_MS,
      total: counter.total,
      lastAt: counter.lastAt,
    };
  }

  /** The publications of each of these minutes, of which `last` (since 1970) is the newest. */
  async ofMinutes(organizationId: string, last: number, minutes: number): Promise<number[]> {
    await this.settle();
    const unattributed = this.#active.filter((counter) => counter.organizationId === null);
    await Promise.all(unattributed.map((counter) => this.#attribute(counter)));
    const known = this.#ofOrganization.get(organizationId);
    const counts = Array.from({ length: minutes }, (_, index) => known?.get(last - minutes + 1 + index) ?? 0);
    for (const { organizationId: owner, minute, inMinute } of this.#active) {
      const index = minute - (last - minutes + 1);
      const before = counts[index];
      if (owner === organizationId && before !== undefined) counts[index] = before + inMinute;
    }
    return counts;
  }

  /** Adds past minutes to their organizations, and removes counts that are too old or too many. */
  async settle(now = Date.now()): Promise<void> {
    const minute = Math.floor(now / MINUTE_MS);
    if (minute > this.#minute) this.#close(minute);
    const over = this.#over;
    this.#over = [];
    await Promise.all(over.map((one) => this.#add(one)));
    for (const [organizationId, counts] of this.#ofOrganization) {
      for (const old of counts.keys()) if (old <= minute - MAX_MINUTES) counts.delete(old);
      if (counts.size === 0) this.#ofOrganization.delete(organizationId);
    }
    this.#forget();
  }

  #open(channel: string): Counter {
    const counter = { channel, organizationId: null, minute: 0, inMinute: 0, inMinuteBefore: 0, total: 0, lastAt: 0 };
    this.#counters.set(channel, counter);
    return counter;
  }

  /** The first publication of this channel in this minute. */
  #turn(counter: Counter, minute: number): void {
    if (minute !== this.#minute) this.#close(minute);
    counter.inMinuteBefore = counter.minute === minute - 1 ? counter.inMinute : 0;
    counter.inMinute = 0;
    counter.minute = minute;
    this.#active.push(counter);
  }

  #close(minute: number): void {
    for (const counter of this.#active) this.#over.push({ counter, minute: counter.minute, count: counter.inMinute });
    if (this.#over.length > MAX_UNATTRIBUTED) this.#over = this.#over.slice(-MAX_UNATTRIBUTED);
    this.#active = [];
    this.#minute = minute;
  }

  async #add(one: Unattributed): Promise<void> {
    const { counter, minute, count } = one;
    const known = await this.#attribute(counter);
    if (!known) this.#over.push(one);
    if (counter.organizationId === null) return;
    const counts = this.#ofOrganization.get(counter.organizationId) ?? new Map<number, number>();
    this.#ofOrganization.set(counter.organizationId, counts);
    counts.set(minute, (counts.get(minute) ?? 0) + count);
  }

  /** False if the organization is unknown now. A channel whose row was deleted has no organization any more. */
  async #attribute(counter: Counter): Promise<boolean> {
    const channel = parseChannel(counter.channel);
    if (counter.organizationId !== null || !channel) return true;
    try {
      counter.organizationId = await this.#organizationOf(channel);
      return true;
    } catch {
      // The database is unavailable; it is queried again with the next minute.
      return false;
    }
  }

  #forget(): void {
    const surplus = this.#counters.size - MAX_CHANNELS;
    if (surplus <= 0) return;
    const quietest = [...this.#counters.values()].sort((a, b) => a.lastAt - b.lastAt).slice(0, surplus);
    for (const { channel } of quietest) this.#counters.delete(channel);
  }
}
