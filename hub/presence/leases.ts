import { HubError } from "../kernel/errors.ts";
import type { Logger } from "../kernel/log.ts";
import type { RedisConnection } from "../redis/connection.ts";
import { SLOTS, slotOf, tagOf } from "../redis/slot.ts";
import { Lease, type Renewal } from "./lease.ts";

/** A lease holds for at least this many renewals. */
export const RENEWALS_PER_LEASE = 3;
/** A cluster's masters lose their data one by one: each has some of the leases, to notice it by. */
const CLUSTER_LEASES = 16;
const RETRY_MS = 500;

export interface LeasesOptions {
  redis: RedisConnection;
  nodeId: string;
  leaseMs: number;
  now: () => number;
  log: Logger;
  /** After every renewal, and its tidings. Never throws. */
  renewed(lease: Lease, renewal: Renewal): void;
}

/** A node's leases: one, or in a cluster one for each part of the slots. Renewed three times in the time they hold. */
export class Leases {
  readonly #options: LeasesOptions;
  readonly #all: readonly Lease[];
  #timer: NodeJS.Timeout | null = null;
  #failing = false;
  #closed = false;

  constructor(options: LeasesOptions) {
    this.#options = options;
    const count = options.redis.clustered ? CLUSTER_LEASES : 1;
    this.#all = Array.from({ length: count }, (_, index) => new Lease({ ...options, tag: leaseTag(index, count) }));
  }

  /** Takes the leases and renews them from now on. Throws `unavailable`. */
  async open(): Promise<void> {
    await Promise.all(this.#all.map((lease) => lease.renew()));
    this.#schedule(this.#options.leaseMs / RENEWALS_PER_LEASE);
  }

  /** The lease for what is held on this channel: one whose keys are lost with those of the channel. */
  of(channel: string): Lease {
    const { redis } = this.#options;
    const slot = slotOf(redis.keys.key(channel, ""));
    const owner = redis.ownerOf(slot);
    const home = this.#all[Math.floor((slot * this.#all.length) / SLOTS)];
    if (home && redis.ownerOf(home.slot) === owner) return home;
    const near = this.#all.find((lease) => redis.ownerOf(lease.slot) === owner) ?? home;
    if (!near) throw new Error(`no lease for ${channel}`);
    return near;
  }

  /** The lease, valid. Throws `unavailable` where the node is cut off. */
  async valid(channel: string): Promise<Lease> {
    const lease = this.of(channel);
    if (!lease.valid) await this.renew(lease);
    if (lease.valid) return lease;
    throw new HubError("unavailable", "This node is cut off from Redis. Try again.", { retryAfterMs: 1_000 });
  }

  /** Renews this lease now. What it finds was so after this call. Throws `unavailable`. */
  async renew(lease: Lease): Promise<void> {
    const renewal = await lease.renewAgain();
    if (!this.#closed) this.#options.renewed(lease, renewal);
  }

  /** Nothing is held on the channel any more. */
  release(channel: string): void {
    for (const lease of this.#all) lease.release(channel);
  }

  /** Something happened to Redis: looks at once. */
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
    // Said when it begins, not at every try.
    if (failed && !this.#failing) this.#options.log.warn({ err: failed.reason }, "the node's lease was not renewed");
    this.#failing = failed !== undefined;
    const delayMs = failed ? Math.min(RETRY_MS, everyMs) : startedAt + everyMs - this.#options.now();
    // Asked to look soon, it has a timer.
    if (!this.#timer) this.#schedule(Math.max(0, delayMs));
  }
}

/** A hash tag whose slot is in the `index`th part of `count`. */
function leaseTag(index: number, count: number): string {
  return tagOf(`lease.${index}`, (slot) => Math.floor((slot * count) / SLOTS) === index);
}

function isRejected(result: PromiseSettledResult<unknown>): result is PromiseRejectedResult {
  return result.status === "rejected";
}
