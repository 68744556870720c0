import type { Offer, Share } from "./fair-queue.ts";

/** The share of the hub's own statements: facts, write-back, the feed's looks. They take turns like one organization. */
export const HUB_SHARE: Share = shareOf("hub");
/**
 * The share of the hub's own transactions: the feed's rounds, sweepers, dispatch. They take turns like another organization.
 * A transaction shares its connection with no statement, so the hub's statements must not wait behind it.
 */
export const HUB_TRANSACTIONS: Share = shareOf("hub transactions");
export const HUB_SHARES: readonly Share[] = [HUB_SHARE, HUB_TRANSACTIONS];

/** Below this many connections the pool is not divided: all work takes turns for all connections. */
const FEWEST_DIVIDED = 4;
/** Connections that the hub leaves to organizations. */
const LEFT_BY_HUB = 1;

/**
 * How many of a pool's connections each organization and principal may hold at once. A share may take another one only
 * while it holds fewer than are free: one busy organization holds half of them, two hold a third each. A new organization
 * finds a free connection until about as many organizations are busy as there are connections. (Choudhury and Hahne's
 * dynamic threshold.)
 *
 * Two connections are reserved for the hub, one for its statements and one for a transaction: each is free, or in use by
 * the hub. All others are divided.
 */
export class PoolShares {
  readonly #isDivided: boolean;
  readonly #byOrganization = new Map<string, number>();
  readonly #byPrincipal = new Map<string, number>();

  constructor(max: number) {
    this.#isDivided = max >= FEWEST_DIVIDED;
  }

  take({ organization, principal }: Share): void {
    add(this.#byOrganization, organization, 1);
    add(this.#byPrincipal, principal, 1);
  }

  giveBack({ organization, principal }: Share): void {
    add(this.#byOrganization, organization, -1);
    add(this.#byPrincipal, principal, -1);
  }

  /**
   * Whether `share` may take one of `free` connections. The principal's limit does not apply to work that was passed over:
   * the principal's other work and the organization's other principals could delay it for ever.
   */
  mayTake(share: Share, free: number, passedOver: boolean): boolean {
    const limit = this.#limit(share, free);
    return this.#heldBy(share) < limit && (passedOver || this.#heldByPrincipal(share) < limit);
  }

  /** Who must wait if `share`'s work can neither take one of `free` connections nor share one. */
  refusal(share: Share, free: number): Exclude<Offer, "begun"> {
    const held = this.#heldBy(share);
    // The organization's own work ends and frees a connection.
    if (held > 0 && held >= this.#limit(share, free)) return "skip";
    // A share without any connection must get the next free one: statements of others that share connections could hold
    // them for ever.
    return this.#heldByPrincipal(share) > 0 ? "next" : "stop";
  }

  /**
   * Whether the hub's work of this share proceeds while an organization waits for the next free connection: only on the
   * reserved connection, which that organization could not get.
   */
  mayProceed(share: Share): boolean {
    return this.#isDivided && this.#heldBy(share) <= 1;
  }

  /** The limit of an organization or principal: it may take another connection while it holds fewer. */
  #limit(share: Share, free: number): number {
    if (!this.#isDivided) return free > 0 ? Number.POSITIVE_INFINITY : 0;
    const spare = free - HUB_SHARES.filter((reserved) => this.#isReservedFrom(share, reserved)).length;
    if (!isOfHub(share)) return spare;
    return spare > (this.#heldBy(share) === 0 ? 0 : LEFT_BY_HUB) ? Number.POSITIVE_INFINITY : 0;
  }

  #isReservedFrom({ organization }: Share, reserved: Share): boolean {
    return organization !== reserved.organization && this.#heldBy(reserved) === 0;
  }

  #heldBy({ organization }: Share): number {
    return this.#byOrganization.get(organization) ?? 0;
  }

  #heldByPrincipal({ principal }: Share): number {
    return this.#byPrincipal.get(principal) ?? 0;
  }
}

function shareOf(name: string): Share {
  return Object.freeze({ organization: name, principal: name });
}

function isOfHub({ organization }: Share): boolean {
  return HUB_SHARES.some((share) => share.organization === organization);
}

function add(counts: Map<string, number>, key: string, by: number): void {
  const count = (counts.get(key) ?? 0) + by;
  if (count === 0) counts.delete(key);
  else counts.set(key, count);
}
