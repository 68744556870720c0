/** The tenant to whom database work is charged. */
export interface Share {
  /** The organization that the work concerns, or a name for work that belongs to no single organization. */
  readonly organization: string;
  readonly principal: string;
}

/**
 * The answer to offered work: it began; or it waits, and so does its principal (`next`), its organization (`skip`), or
 * every organization behind it (`stop`).
 */
export type Offer = "begun" | "next" | "skip" | "stop";

/** Answers offered work. `passedOver`: work of another principal of its organization began instead of it. */
export type Offered<Work> = (work: Work, passedOver: boolean) => Offer;

/**
 * Waiting work. Organizations take turns, and within an organization its principals do; one principal's work keeps its
 * order. An organization that starts to wait gets its turn after at most one turn of each organization that already waits.
 */
export class FairQueue<Work extends { readonly share: Share }> {
  /** Organization → principal → work. Both maps are in the order of the next turns. */
  readonly #organizations = new Map<string, Map<string, Set<Work>>>();
  readonly #passedOver = new WeakSet<Work>();
  #size = 0;

  get size(): number {
    return this.#size;
  }

  add(work: Work): void {
    const { organization, principal } = work.share;
    const principals = entry(this.#organizations, organization, () => new Map<string, Set<Work>>());
    entry(principals, principal, () => new Set<Work>()).add(work);
    this.#size += 1;
  }

  /** Removes waiting work; false if it does not wait. */
  delete(work: Work): boolean {
    const { organization, principal } = work.share;
    const principals = this.#organizations.get(organization);
    const line = principals?.get(principal);
    if (!principals || !line?.delete(work)) return false;
    this.#size -= 1;
    if (line.size === 0) principals.delete(principal);
    if (principals.size === 0) this.#organizations.delete(organization);
    return true;
  }

  /**
   * Offers the next work of each organization in turn, until none of it can begin or an answer is `stop`. Returns whether
   * an answer was `stop`. A principal that was answered `next` gets nothing for the organizations behind. Otherwise it
   * would stay over its limit, and its waiting work would never begin.
   */
  serve(offer: Offered<Work>): boolean {
    const waiting = new Set<string>();
    // An organization that had its turn moves to the end of the map, where this loop reaches it again.
    for (const organization of this.#organizations.keys()) {
      if (this.#offerNext(organization, offer, waiting) === "stop") return true;
    }
    return false;
  }

  /** The same for one organization alone. */
  serveOnly(organization: string, offer: Offered<Work>): void {
    while (this.#organizations.has(organization) && this.#offerNext(organization, offer, new Set()) === "begun");
  }

  /** Principals answered `next` are added to `waiting`, and passed over. */
  #offerNext(organization: string, offer: Offered<Work>, waiting: Set<string>): Offer {
    const passed: Work[] = [];
    for (const [principal, [work]] of this.#organizations.get(organization) ?? []) {
      if (!work) continue;
      const answer = waiting.has(principal) ? "next" : offer(work, this.#passedOver.has(work));
      if (answer === "begun") this.#hadItsTurn(work, passed);
      if (answer !== "next") return answer;
      waiting.add(principal);
      passed.push(work);
    }
    return "skip";
  }

  #hadItsTurn(work: Work, before: readonly Work[]): void {
    const { organization, principal } = work.share;
    for (const passed of before) this.#passedOver.add(passed);
    this.delete(work);
    toEnd(this.#organizations.get(organization), principal);
    toEnd(this.#organizations, organization);
  }
}

function entry<Key, Value>(map: Map<Key, Value>, key: Key, create: () => Value): Value {
  const known = map.get(key);
  if (known !== undefined) return known;
  const created = create();
  map.set(key, created);
  return created;
}

function toEnd<Key, Value>(map: Map<Key, Value> | undefined, key: Key): void {
  const value = map?.get(key);
  if (!map || value === undefined) return;
  map.delete(key);
  map.set(key, value);
}
