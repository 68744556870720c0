import { HubError } from "../kernel/errors.ts";
import { newId } from "../kernel/ids.ts";
import type { RedisConnection } from "../redis/connection.ts";
import { loadScript } from "../redis/scripts.ts";
import { slotOf } from "../redis/slot.ts";

const FOLDER = new URL("./lua/", import.meta.url);
const LEASE = loadScript(FOLDER, "lease", [], { whenFull: true });
const ENTER = loadScript(FOLDER, "enter", [], { whenFull: true });
const RETIRE = loadScript(FOLDER, "retire", [], { whenFull: true });

export interface LeaseOptions {
  redis: RedisConnection;
  nodeId: string;
  /** The hash tag of its keys. */
  tag: string;
  leaseMs: number;
  /** Milliseconds of a clock that never goes back and runs on while the process is stopped. */
  now: () => number;
}

/** What a renewal brought to light. */
export interface Renewal {
  /** The lease had run out: what the node holds must be registered again, under its new incarnation. */
  taken: boolean;
  /** The data was lost, or is not certain to be whole. */
  dataLost: boolean;
  /** Incarnations whose lease ran out, for this node to sweep. */
  dead: string[];
}

/**
 * One node's lease for all that it holds in one part of the data. While it is valid nobody else touches that; when it
 * runs out anybody may. It is the node's own clock that says first that it did: time starts when a renewal is sent.
 */
export class Lease {
  readonly slot: number;
  readonly #options: LeaseOptions;
  #round = 0;
  #incarnation = "";
  #takenAt = Number.POSITIVE_INFINITY;
  #renewedAt = Number.NEGATIVE_INFINITY;
  #generation = "";
  #foundedAt = Number.POSITIVE_INFINITY;
  #lostAt: number | null = null;
  /** The channels that are noted for this incarnation. */
  readonly #entered = new Set<string>();
  #renewing: Promise<Renewal> | null = null;

  constructor(options: LeaseOptions) {
    this.#options = options;
    this.slot = slotOf(this.#key("leases"));
  }

  get incarnation(): string {
    return this.#incarnation;
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

  /** Notes the channel before anything is held on it. Throws `unavailable` where the lease ran out. */
  async enter(channel: string): Promise<void> {
    const incarnation = this.#incarnation;
    if (this.#entered.has(channel)) return;
    const keys = [this.#key("leases"), this.#key(incarnation)];
    const noted = await this.#options.redis.run(ENTER, keys, [incarnation, channel]);
    if (noted !== 1 || incarnation !== this.#incarnation) {
      if (noted !== 1 && incarnation === this.#incarnation) this.#renewedAt = Number.NEGATIVE_INFINITY;
      throw new HubError("unavailable", "This node was cut off for a while. Try again.", { retryAfterMs: 1_000 });
    }
    this.#entered.add(channel);
  }

  /** Nothing is held on the channel any more. What stays noted for a fault of Redis costs a sweep's look at it. */
  release(channel: string): void {
    if (!this.#entered.delete(channel)) return;
    this.#options.redis.command("SREM", this.#key(this.#incarnation), channel).catch(() => undefined);
  }

  /** The channels noted for an incarnation that is dead. */
  async channelsOf(dead: string): Promise<string[]> {
    return (await this.#options.redis.command("SMEMBERS", this.#key(dead))) as string[];
  }

  /** The dead incarnation's part in these channels has been taken over. */
  async swept(dead: string, channels: readonly string[]): Promise<void> {
    if (channels.length > 0) await this.#options.redis.command("SREM", this.#key(dead), ...channels);
    await this.#retire(dead);
  }

  /** Gives the lease back where nothing is held by it: there is nothing to wait for. */
  async giveBack(): Promise<void> {
    if (this.#incarnation !== "") await this.#retire(this.#incarnation);
    this.#renewedAt = Number.NEGATIVE_INFINITY;
  }

  async #retire(incarnation: string): Promise<void> {
    const keys = [this.#key("leases"), this.#key("state"), this.#key(incarnation)];
    await this.#options.redis.run(RETIRE, keys, [incarnation]);
  }

  async #renew(): Promise<Renewal> {
    const known = this.#generation;
    const held = this.valid ? await this.#ask(false) : null;
    if (held) return { taken: false, dataLost: false, dead: held };
    this.#round += 1;
    this.#incarnation = `${this.#options.nodeId}.${this.#round}`;
    this.#entered.clear();
    this.#takenAt = this.#options.now();
    const dead = (await this.#ask(true)) ?? [];
    return { taken: true, dataLost: known !== "" && known !== this.#generation, dead };
  }

  /** Null: the lease can't be renewed any more. */
  async #ask(take: boolean): Promise<string[] | null> {
    const { now, leaseMs, redis } = this.#options;
    const sentAt = now();
    // After an outage everybody's lease has run out: the others get the time of one to come back.
    const maySweep = sentAt - this.#takenAt >= leaseMs;
    const args = [this.#incarnation, leaseMs, take ? "1" : "", this.#generation, newId(), maySweep ? "1" : ""];
    const answer = await redis.run(LEASE, [this.#key("leases"), this.#key("state")], args);
    const [held, generation, age, lost, dead] = answer as [number, string, string, string, string[]];
    this.#foundedAt = sentAt - Number(age);
    this.#lostAt = Number(lost) < 0 ? null : sentAt - Number(lost);
    if (held !== 1) return null;
    this.#generation = generation;
    this.#renewedAt = sentAt;
    return dead;
  }

  #key(part: string): string {
    return this.#options.redis.keys.key(this.#options.tag, part);
  }
}
