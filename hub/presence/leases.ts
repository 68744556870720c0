import { HubError } from "../kernel/errors.ts";
import type { Logger } from "../kernel/log.ts";
import type { LeaseReply, RecordStore } from "./records.ts";

/** A lease holds for at least this many renewals. */
export const RENEWALS_PER_LEASE = 3;
const RETRY_MS = 500;

export interface NodeLeasesOptions {
  store: RecordStore;
  nodeId: string;
  leaseMs: number;
  /** Milliseconds of a clock that never goes back, and runs on while the process is stopped. */
  now: () => number;
  /** A number that is greater than all that were drawn before, on whatever node. Throws where it can't be known. */
  drawGeneration: () => Promise<number>;
  /** After every renewal. Never throws. */
  renewed(lease: NodeLease, renewal: Renewal): void;
  log: Logger;
}

/** What a renewal brought to light. */
export interface Renewal {
  /** The lease had ended: what the node holds must be registered again, under its new incarnation. */
  taken: boolean;
  /** The data was lost, or is not certain to be whole. */
  dataLost: boolean;
  /** Incarnations whose lease has ended, for this node to take over from. */
  dead: readonly string[];
}

/**
 * One node's lease for what it holds in one part of the data. While it is valid nobody else touches that; when it ends
 * anybody may. The node's own clock says first that it did: time starts when a renewal is sent.
 */
export class NodeLease {
  readonly part: number;
  readonly #options: NodeLeasesOptions;
  #round = 0;
  #incarnation = "";
  #generation = 0;
  #takenAt = Number.POSITIVE_INFINITY;
  #renewedAt = Number.NEGATIVE_INFINITY;
  #foundedAt = Number.POSITIVE_INFINITY;
  #lostAt: number | null = null;
  /** The channels that are noted for this incarnation, and in which generation. */
  readonly #noted = new Map<string, number>();
  #renewing: Promise<Renewal> | null = null;

  constructor(options: NodeLeasesOptions, part: number) {
    this.#options = options;
    this.part = part;
  }

  get incarnation(): string {
    return this.#incarnation;
  }

  get generation(): number {
    return this.#generation;
  }

  get valid(): boolean {
    return this.#options.now() - this.#renewedAt < this.#options.leaseMs;
  }

  /** How old the data is; nothing before the first renewal. */
  get ageMs(): number {
    return this.#options.now() - this.#foundedAt;
  }

  /** How long ago data was lost; infinite where none was. */
  get sinceLossMs(): number {
    return this.#lostAt === null ? Number.POSITIVE_INFINITY : this.#options.now() - this.#lostAt;
  }

  /** Renews, or joins a renewal under way. Throws `unavailable`. */
  renew(): Promise<Renewal> {
    this.#renewing ??= this.#renew().finally(() => {
      this.#renewing = null;
    });
    return this.#renewing;
  }

  /** A renewal that begins now, whatever is under way: what it finds was so after this call. */
  async renewAgain(): Promise<Renewal> {
    await this.#renewing?.catch(() => undefined);
    return this.renew();
  }

  /**
   * Notes the channel before anything is held on it, for whoever takes over. Returns the data's generation at that
   * moment. Throws `unavailable` where the lease has ended.
   */
  async note(channel: string): Promise<number> {
    const known = this.#noted.get(channel);
    if (known !== undefined) return known;
    const incarnation = this.#incarnation;
    const generation = await this.#options.store.note(incarnation, channel);
    if (generation === 0 || incarnation !== this.#incarnation) {
      if (incarnation === this.#incarnation) this.#renewedAt = Number.NEGATIVE_INFINITY;
      throw cutOff();
    }
    this.#noted.set(channel, generation);
    return generation;
  }

  /** The store says that the lease has ended, or that the data is another. */
  doubt(): void {
    this.#renewedAt = Number.NEGATIVE_INFINITY;
  }

  /** Nothing is held on the channel any more. What stays noted for a fault of the store costs a look at it. */
  release(channel: string): void {
    const generation = this.#noted.get(channel);
    if (generation === undefined) return;
    this.#noted.delete(channel);
    this.#options.store.strike(this.part, this.#incarnation, [channel], generation).catch(() => undefined);
  }

  /** Gives the lease back where nothing is held by it: there is nothing to wait for. */
  async giveBack(): Promise<void> {
    if (this.#incarnation !== "") await this.#options.store.retire(this.part, this.#incarnation, this.#generation);
    this.#renewedAt = Number.NEGATIVE_INFINITY;
  }

  async #renew(): Promise<Renewal> {
    const known = this.#generation;
    const reply = this.valid ? await this.#ask(false) : null;
    if (reply?.held) return { taken: false, dataLost: false, dead: reply.dead };
    this.#round += 1;
    this.#incarnation = `${this.#options.nodeId}.${this.#round}`;
    this.#noted.clear();
    this.#takenAt = this.#options.now();
    this.#renewedAt = Number.NEGATIVE_INFINITY;
    let taken = await this.#ask(true);
    if (taken.generation === 0) {
      const generation = await this.#options.drawGeneration();
      await this.#options.store.found(this.part, generation, taken.founding, known > 0);
      taken = await this.#ask(true);
    }
    if (!taken.held) throw cutOff();
    return { taken: true, dataLost: known > 0 && known !== this.#generation, dead: taken.dead };
  }

  async #ask(take: boolean): Promise<LeaseReply> {
    const { now, leaseMs, store } = this.#options;
    const sentAt = now();
    // After an outage everybody's lease has ended: the others get the time of one to come back.
    const maySweep = sentAt - this.#takenAt >= leaseMs;
    const { part } = this;
    const [incarnation, generation] = [this.#incarnation, this.#generation];
    const reply = await store.lease({ part, incarnation, leaseMs, take, generation, maySweep });
    if (!reply.held) return reply;
    this.#foundedAt = sentAt - reply.ageMs;
    this.#lostAt = reply.sinceLossMs === null ? null : sentAt - reply.sinceLossMs;
    this.#generation = reply.generation;
    this.#renewedAt = sentAt;
    // What a loss left of the notes is not certain: only a node that is sure of its own lease takes over.
    return reply.ageMs < leaseMs ? { ...reply, dead: [] } : reply;
  }
}

/** A node's leases, one for each part of the data, renewed three times in the time they hold. */
export class NodeLeases {
  readonly #options: NodeLeasesOptions;
  readonly #all: readonly NodeLease[];
  #drawing: Promise<number> | null = null;
  #timer: NodeJS.Timeout | null = null;
  #failing = false;
  #closed = false;

  constructor(options: NodeLeasesOptions) {
    this.#options = options;
    // Parts that are founded together have one generation.
    const drawGeneration = () => {
      this.#drawing ??= options.drawGeneration().finally(() => {
        this.#drawing = null;
      });
      return this.#drawing;
    };
    const each = { ...options, drawGeneration };
    this.#all = Array.from({ length: options.store.parts }, (_, part) => new NodeLease(each, part));
  }

  /** Takes the leases and renews them from now on. Throws `unavailable`. */
  async open(): Promise<void> {
    await Promise.all(this.#all.map((lease) => lease.renew()));
    if (Number.isFinite(this.#options.leaseMs)) this.#schedule(this.#options.leaseMs / RENEWALS_PER_LEASE);
  }

  /** The lease for what is held on this channel: one that is lost with the channel's data. */
  of(channel: string): NodeLease {
    const lease = this.#all[this.#options.store.partOf(channel)];
    if (!lease) throw new Error(`no lease for ${channel}`);
    return lease;
  }

  /** The lease, valid. Throws `unavailable` where the node is cut off. */
  async valid(channel: string): Promise<NodeLease> {
    const lease = this.of(channel);
    if (!lease.valid) await this.renew(lease);
    if (lease.valid) return lease;
    throw cutOff();
  }

  /** Renews this lease now. What it finds was so after this call. Throws `unavailable`. */
  async renew(lease: NodeLease): Promise<void> {
    const renewal = await lease.renewAgain();
    if (!this.#closed) this.#options.renewed(lease, renewal);
  }

  /**
   * Somebody knows a later generation of this channel's data, so that what is there may be of the past: a new generation
   * is founded. Throws `unavailable`.
   */
  async outdated(channel: string, known: number): Promise<void> {
    const lease = this.of(channel);
    if (known <= lease.generation) return;
    await this.#options.store.disown(lease.part, lease.generation);
    await this.renew(lease);
  }

  release(channel: string): void {
    for (const lease of this.#all) lease.release(channel);
  }

  /** Something happened to the store: looks at once. */
  soon(): void {
    this.#schedule(0);
  }

  /** Renews no more. Gives back what holds nothing. */
  async close(): Promise<void> {
    this.#closed = true;
    if (this.#timer) clearTimeout(this.#timer);
    await Promise.all(this.#all.map((lease) => lease.giveBack().catch(() => undefined)));
  }

  #schedule(delayMs: number): void {
    if (this.#closed) return;
    if (this.#timer) clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#timer = null;
      void this.#renewAll();
    }, delayMs);
  }

  async #renewAll(): Promise<void> {
    const everyMs = this.#options.leaseMs / RENEWALS_PER_LEASE;
    const startedAt = this.#options.now();
    const failed = (await Promise.allSettled(this.#all.map((lease) => this.renew(lease)))).find(isRejected);
    // Logged when it begins, not at every try.
    if (failed && !this.#failing) this.#options.log.warn({ err: failed.reason }, "the node's lease was not renewed");
    this.#failing = failed !== undefined;
    const delayMs = failed ? Math.min(RETRY_MS, everyMs) : startedAt + everyMs - this.#options.now();
    // Asked to look soon, it has a timer.
    if (!this.#timer) this.#schedule(Math.max(0, delayMs));
  }
}

function cutOff(): HubError {
  return new HubError("unavailable", "This node is cut off from Redis. Try again.", { retryAfterMs: 1_000 });
}

function isRejected(result: PromiseSettledResult<unknown>): result is PromiseRejectedResult {
  return result.status === "rejected";
}
