import type { ChannelOwners } from "./broker.ts";

/** How many bytes of history a process and each organization may hold. */
export interface HistoryLimits {
  maxBytes: number;
  maxBytesPerOrganization: number;
}

/** One channel's part of the budget: the implementation measures and frees it. */
export abstract class Holding {
  readonly channel: string;
  /** The bytes that the budget counted; maintained by the budget. */
  bytes = 0;
  /** The neighbours in the order of writes; maintained by the budget. */
  older: Holding | null = null;
  newer: Holding | null = null;
  organization: Organization | null = null;
  /** Whether the holding is in its organization's order; maintained by the budget. */
  listed = false;

  constructor(channel: string) {
    this.channel = channel;
  }

  abstract size(): number;
  /** Frees at least `bytes`, the oldest history first, or all that can be freed. */
  abstract free(bytes: number): void;
}

/** The channels of one organization, in the order in which they were last written. */
class Organization {
  readonly id: string;
  bytes = 0;
  oldest: Holding | null = null;
  newest: Holding | null = null;

  constructor(id: string) {
    this.id = id;
  }

  append(holding: Holding): void {
    if (this.newest === holding) return;
    this.remove(holding);
    holding.older = this.newest;
    if (this.newest) this.newest.newer = holding;
    else this.oldest = holding;
    this.newest = holding;
    holding.listed = true;
  }

  remove(holding: Holding): void {
    if (!holding.listed) return;
    if (holding.older) holding.older.newer = holding.newer;
    else this.oldest = holding.newer;
    if (holding.newer) holding.newer.older = holding.older;
    else this.newest = holding.older;
    holding.older = null;
    holding.newer = null;
    holding.listed = false;
  }
}

/** The name in `largest` for channels without a known organization. */
export const UNKNOWN = "unknown";
/** Over a limit, history is freed down to this share, so that the cost is spread over many publications. */
const DOWN_TO = 63 / 64;
/** Channels whose owners are queried at the same time. */
const ASKED_AT_ONCE = 1_000;

/**
 * Bounds the history of a process. An organization over its limit loses history of its least recently written channels
 * first. Over the process' limit the largest organizations lose first, down to an equal share. Publications are accepted
 * in any case. A publication costs constant time on average, for any number of channels and organizations.
 */
export class HistoryBudget {
  readonly limits: HistoryLimits;
  readonly #owners: ChannelOwners;
  readonly #organizations = new Map<string, Organization>();
  /** Channels whose organization was not known when they were opened. */
  readonly #unattributed = new Set<Holding>();
  #bytes = 0;
  #freedBytes = 0;
  /** The total after a pass that could not free enough: the next pass waits for more. */
  #stuckAt = 0;

  constructor(limits: HistoryLimits, owners: ChannelOwners) {
    this.limits = limits;
    this.#owners = owners;
  }

  get bytes(): number {
    return this.#bytes;
  }
  /** Bytes freed since the start because a limit was reached. */
  get freedBytes(): number {
    return this.#freedBytes;
  }

  /**
   * Counts a written holding, as its organization's newest, and frees what exceeds the limits. `organizationId`: the
   * channel's organization, if the writer knows it.
   */
  written(holding: Holding, organizationId?: string | null): void {
    const organization =
      holding.organization ?? this.#attach(holding, organizationId ?? this.#owners.known(holding.channel));
    organization.append(holding);
    this.changed(holding);
    const { maxBytes, maxBytesPerOrganization } = this.limits;
    if (organization.bytes > maxBytesPerOrganization) this.#shrink(organization, maxBytesPerOrganization * DOWN_TO, 0);
    if (this.#bytes > Math.max(maxBytes, this.#stuckAt)) this.#shrinkLargest(maxBytes);
  }

  /** Counts a holding again; removes an empty one. */
  changed(holding: Holding): void {
    const { organization } = holding;
    if (!organization) return;
    const grown = holding.size() - holding.bytes;
    holding.bytes += grown;
    organization.bytes += grown;
    this.#bytes += grown;
    if (holding.bytes === 0) this.#detach(holding, organization);
  }

  /** Frees history until the process holds `bytes` at most; the largest organizations lose first. */
  freeDownTo(bytes: number): void {
    const level = equalShare(
      [...this.#organizations.values()].map((organization) => organization.bytes),
      bytes,
    );
    for (const organization of this.#organizations.values()) this.#shrink(organization, level, bytes);
  }

  /** Queries the organizations of channels that could not be attributed when they were written. */
  async settle(): Promise<void> {
    const asked = [...this.#unattributed].slice(0, ASKED_AT_ONCE);
    // While the database is unavailable they stay unattributed, and are queried again.
    await Promise.allSettled(asked.map((holding) => this.#attribute(holding)));
  }

  /** The bytes that an organization holds. */
  bytesOf(organizationId: string): number {
    return this.#organizations.get(organizationId)?.bytes ?? 0;
  }

  get organizationCount(): number {
    return this.#organizations.size;
  }

  /** The largest organizations, at most `count`. */
  largest(count: number): { organizationId: string; bytes: number }[] {
    return [...this.#organizations.values()]
      .sort((a, b) => b.bytes - a.bytes)
      .slice(0, count)
      .map(({ id, bytes }) => ({ organizationId: id, bytes }));
  }

  #shrinkLargest(maxBytes: number): void {
    this.freeDownTo(maxBytes * DOWN_TO);
    // Otherwise each publication would search again for history that can't be freed, of subscribed channels.
    this.#stuckAt = this.#bytes > maxBytes ? this.#bytes + maxBytes * (1 - DOWN_TO) : 0;
  }

  /** Frees until the organization holds `bytes`, or the process holds `total`. */
  #shrink(organization: Organization, bytes: number, total: number): void {
    let { oldest } = organization;
    while (oldest && organization.bytes > bytes && this.#bytes > total) {
      const before = this.#bytes;
      oldest.free(Math.min(organization.bytes - bytes, this.#bytes - total));
      this.changed(oldest);
      if (this.#bytes === before) organization.remove(oldest);
      this.#freedBytes += before - this.#bytes;
      oldest = organization.oldest;
    }
  }

  async #attribute(holding: Holding): Promise<void> {
    const organizationId = await this.#owners.find(holding.channel);
    if (!this.#unattributed.delete(holding) || organizationId === null || !holding.organization) return;
    const { bytes } = holding;
    this.#leave(holding, holding.organization);
    const organization = this.#attach(holding, organizationId);
    organization.bytes += bytes;
    organization.append(holding);
  }

  #attach(holding: Holding, organizationId: string | null): Organization {
    const id = organizationId ?? UNKNOWN;
    const organization = this.#organizations.get(id) ?? new Organization(id);
    this.#organizations.set(id, organization);
    holding.organization = organization;
    if (organizationId === null) this.#unattributed.add(holding);
    return organization;
  }

  #detach(holding: Holding, organization: Organization): void {
    this.#unattributed.delete(holding);
    this.#leave(holding, organization);
    holding.organization = null;
  }

  #leave(holding: Holding, organization: Organization): void {
    organization.remove(holding);
    organization.bytes -= holding.bytes;
    if (organization.bytes === 0) this.#organizations.delete(organization.id);
  }
}

/** A budget without limits, for channels without an organization. */
export function unlimitedBudget(): HistoryBudget {
  const limits = { maxBytes: Number.POSITIVE_INFINITY, maxBytesPerOrganization: Number.POSITIVE_INFINITY };
  return new HistoryBudget(limits, { known: () => null, find: async () => null });
}

/** The most that each may keep so that the total is `total`: smaller ones keep all. */
export function equalShare(sizes: readonly number[], total: number): number {
  const largestFirst = [...sizes].sort((a, b) => b - a);
  const excess = sizes.reduce((sum, size) => sum + size, 0) - total;
  let sum = 0;
  for (const [index, size] of largestFirst.entries()) {
    sum += size;
    const count = index + 1;
    if (sum - count * (largestFirst[count] ?? 0) >= excess) return (sum - excess) / count;
  }
  return 0;
}
