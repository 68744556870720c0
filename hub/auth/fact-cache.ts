import { HubError } from "../kernel/errors.ts";

export interface FactCacheOptions<Fact> {
  /**
   * Loads all these ids in one statement. The result omits ids without a row. Throws `unavailable` or `timeout` while
   * the database is unavailable.
   */
  load(ids: readonly string[]): Promise<Map<string, Fact>>;
  /** Maximum age of a fact while the database answers. */
  freshMs: number;
  /** How long the absence of a row is cached; at most `freshMs`. */
  absentMs?: number;
  /** Maximum age of a fact while the database is unavailable, and how long an unused fact is kept. */
  outageMs: number;
  /** Milliseconds of a clock that never goes back. */
  monotonicNow?: () => number;
}

interface Entry<Fact> {
  fact: Fact;
  loadedAt: number;
  usedAt: number;
}
/** A pending lookup of one id, shared by all its callers. */
interface Waiter<Fact> {
  promise: Promise<Fact | null>;
  resolve(fact: Fact | null): void;
  reject(error: unknown): void;
}
/** One statement in flight. Its result for a forgotten id may predate the change that invalidated the id. */
interface Flight<Fact> {
  waiters: Map<string, Waiter<Fact>>;
  forgotten: Set<string>;
}

/** Parameters of one statement. */
const MAX_BATCH = 1_000;
/** Maximum concurrent statements. Lookups that arrive in between join the next batch. */
const MAX_FLIGHTS = 2;
/** While the database is unavailable, cached facts serve immediately, and one lookup probes the database this often. */
const PROBE_MS = 1_000;
/**
 * Above these limits the oldest entries are evicted. Absent ids have their own limit: made-up ids evict only each
 * other.
 */
const MAX_ENTRIES = 200_000;
const MAX_ABSENT = 20_000;
const SWEEP_MS = 60_000;

/**
 * A cache of facts of one kind, by id. Guarantees:
 *
 *  * While the database answers, a fact is at most `freshMs` old.
 *  * Lookups of one turn of the event loop share one statement, and concurrent lookups of an id share one read.
 *  * A fact that is invalidated while it is read is read again.
 *  * While the database is unavailable, facts serve immediately until `outageMs` after they were read.
 */
export class FactCache<Fact> {
  readonly #options: FactCacheOptions<Fact>;
  readonly #now: () => number;
  readonly #entries = new Map<string, Entry<Fact>>();
  readonly #absent = new Map<string, number>();
  /** Lookups, queued or in flight, whose result is not invalidated. */
  readonly #waiting = new Map<string, Waiter<Fact>>();
  #queue = new Map<string, Waiter<Fact>>();
  readonly #flights = new Set<Flight<Fact>>();
  #scheduled = false;
  #sweptAt: number;
  /** The time of the last failed read; null if the database has answered since. */
  #failedAt: number | null = null;

  constructor(options: FactCacheOptions<Fact>) {
    this.#options = options;
    this.#now = options.monotonicNow ?? (() => performance.now());
    this.#sweptAt = this.#now();
  }

  get size(): number {
    return this.#entries.size + this.#absent.size;
  }

  /** The fact, or null if there is no row. Synchronous if cached, else a promise that rejects as `load` does. */
  get(id: string): Fact | null | Promise<Fact | null> {
    const now = this.#now();
    const entry = this.#entries.get(id);
    if (entry) {
      entry.usedAt = now;
      if (now - entry.loadedAt <= this.#options.freshMs) return entry.fact;
      if (this.#servesStale(id, entry, now)) return entry.fact;
    } else if (this.#isAbsent(id, now)) return null;
    return this.#ask(id).promise;
  }

  /** The cached fact, or null if there is no row. Undefined if it is not cached or too old. */
  known(id: string): Fact | null | undefined {
    const now = this.#now();
    const entry = this.#entries.get(id);
    if (!entry) return this.#isAbsent(id, now) ? null : undefined;
    if (now - entry.loadedAt > this.#options.freshMs) return undefined;
    entry.usedAt = now;
    return entry.fact;
  }

  /** Reloads those of these facts that are older than `ageMs` or not cached. False if the database was unavailable. */
  async refresh(ids: Iterable<string>, ageMs: number): Promise<boolean> {
    const now = this.#now();
    const asked: Promise<unknown>[] = [];
    for (const id of ids) {
      const entry = this.#entries.get(id);
      if (entry) entry.usedAt = now;
      if (!this.#isYoung(id, entry, now, ageMs)) asked.push(this.#ask(id).promise);
    }
    const results = await Promise.allSettled(asked);
    for (const result of results) {
      if (result.status === "rejected" && !isUnavailable(result.reason)) throw result.reason;
    }
    // A lookup may have resolved with a stale fact, so the results don't show whether the database answered.
    return asked.length === 0 || this.#failedAt === null;
  }

  /** Invalidates one fact. The next lookup reads it, and the result of an older read in flight is discarded. */
  forget(id: string): void {
    this.#entries.delete(id);
    this.#absent.delete(id);
    if (this.#queue.has(id)) return;
    this.#waiting.delete(id);
    for (const flight of this.#flights) if (flight.waiters.has(id)) flight.forgotten.add(id);
  }

  /** Invalidates the facts that match, and all facts in flight, because these can't be matched yet. */
  forgetWhere(matches: (fact: Fact) => boolean): void {
    for (const [id, { fact }] of this.#entries) if (matches(fact)) this.#entries.delete(id);
    this.#absent.clear();
    for (const flight of this.#flights) for (const id of flight.waiters.keys()) this.forget(id);
  }

  /** The fact as last read, without marking it as used. Undefined if it is not cached. */
  peek(id: string): Fact | undefined {
    return this.#entries.get(id)?.fact;
  }

  #isAbsent(id: string, now: number): boolean {
    const readAt = this.#absent.get(id);
    return readAt !== undefined && now - readAt <= (this.#options.absentMs ?? this.#options.freshMs);
  }

  #isYoung(id: string, entry: Entry<Fact> | undefined, now: number, ageMs: number): boolean {
    const readAt = entry?.loadedAt ?? this.#absent.get(id);
    return readAt !== undefined && now - readAt <= ageMs;
  }

  /**
   * Whether a stale fact serves because the database is unavailable. Starts a probe of the database every `PROBE_MS`.
   */
  #servesStale(id: string, entry: Entry<Fact>, now: number): boolean {
    if (this.#failedAt === null || now - entry.loadedAt > this.#options.outageMs) return false;
    const probes = now - this.#failedAt > PROBE_MS && this.#flights.size === 0;
    // No caller awaits this probe. Its result is cached, and a failure other than an outage ends the use of stale
    // facts.
    if (probes) this.#ask(id).promise.catch(() => undefined);
    return true;
  }

  #ask(id: string): Waiter<Fact> {
    const known = this.#waiting.get(id);
    if (known) return known;
    const waiter = createWaiter<Fact>();
    this.#waiting.set(id, waiter);
    this.#queue.set(id, waiter);
    this.#schedule();
    return waiter;
  }

  /** Removes facts unused for `outageMs` and expired absences. */
  #sweep(now: number): void {
    if (now - this.#sweptAt < SWEEP_MS) return;
    this.#sweptAt = now;
    for (const [id, { usedAt }] of this.#entries) if (now - usedAt > this.#options.outageMs) this.#entries.delete(id);
    for (const id of this.#absent.keys()) if (!this.#isAbsent(id, now)) this.#absent.delete(id);
  }

  #schedule(): void {
    if (this.#scheduled || this.#queue.size === 0 || this.#flights.size >= MAX_FLIGHTS) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      while (this.#queue.size > 0 && this.#flights.size < MAX_FLIGHTS) void this.#fly(this.#takeBatch());
    });
  }

  #takeBatch(): Map<string, Waiter<Fact>> {
    if (this.#queue.size <= MAX_BATCH) {
      const all = this.#queue;
      this.#queue = new Map();
      return all;
    }
    const batch = new Map([...this.#queue].slice(0, MAX_BATCH));
    for (const id of batch.keys()) this.#queue.delete(id);
    return batch;
  }

  async #fly(waiters: Map<string, Waiter<Fact>>): Promise<void> {
    const flight: Flight<Fact> = { waiters, forgotten: new Set() };
    this.#flights.add(flight);
    // The age of a fact counts from the request: the row may change while the response is in transit.
    const askedAt = this.#now();
    try {
      const facts = await this.#options.load([...waiters.keys()]);
      this.#failedAt = null;
      this.#land(flight, (id, waiter) => waiter.resolve(this.#keep(id, facts.get(id), askedAt)));
    } catch (error) {
      this.#failedAt = isUnavailable(error) ? this.#now() : null;
      this.#land(flight, (id, waiter) => this.#fail(id, waiter, error));
    } finally {
      this.#flights.delete(flight);
      this.#sweep(askedAt);
      this.#schedule();
    }
  }

  #land(flight: Flight<Fact>, settle: (id: string, waiter: Waiter<Fact>) => void): void {
    for (const [id, waiter] of flight.waiters) {
      if (flight.forgotten.has(id)) this.#ask(id).promise.then(waiter.resolve, waiter.reject);
      else {
        this.#waiting.delete(id);
        settle(id, waiter);
      }
    }
  }

  #keep(id: string, fact: Fact | undefined, loadedAt: number): Fact | null {
    const usedAt = this.#entries.get(id)?.usedAt ?? loadedAt;
    // Deleted first, so that the maps stay in the order of reads and the first entry is the oldest.
    this.#entries.delete(id);
    this.#absent.delete(id);
    if (fact === undefined) {
      this.#absent.set(id, loadedAt);
      evict(this.#absent, MAX_ABSENT);
      return null;
    }
    this.#entries.set(id, { fact, loadedAt, usedAt });
    evict(this.#entries, MAX_ENTRIES);
    return fact;
  }

  #fail(id: string, waiter: Waiter<Fact>, error: unknown): void {
    const entry = this.#entries.get(id);
    const serves = entry && isUnavailable(error) && this.#now() - entry.loadedAt <= this.#options.outageMs;
    if (serves) waiter.resolve(entry.fact);
    else waiter.reject(error);
  }
}

function createWaiter<Fact>(): Waiter<Fact> {
  let settle: Pick<Waiter<Fact>, "resolve" | "reject"> | undefined;
  const promise = new Promise<Fact | null>((resolve, reject) => {
    settle = { resolve, reject };
  });
  // A promise calls its executor synchronously, which the compiler can't know.
  if (!settle) throw new Error("unreachable");
  return { promise, ...settle };
}

/** `timeout` counts as an outage: cached facts then serve instead of another slow statement. */
function isUnavailable(error: unknown): boolean {
  return error instanceof HubError && (error.code === "unavailable" || error.code === "timeout");
}

function evict(map: Map<string, unknown>, max: number): void {
  for (const id of map.keys()) {
    if (map.size <= max) return;
    map.delete(id);
  }
}
