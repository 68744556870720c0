import { HubError } from "../errors.ts";

export interface FactCacheOptions<Fact> {
  /** One statement for all these ids; those without a row are left out. Throws `unavailable` or `timeout` while the database is away. */
  load(ids: readonly string[]): Promise<Map<string, Fact>>;
  /** How old a fact may be while the database is there. */
  freshMs: number;
  /** How long it is known that something does not exist; at most `freshMs`. */
  absentMs?: number;
  /** How old a fact may be while the database is away, and how long an unused one is kept. */
  outageMs: number;
  /** Milliseconds of a clock that never goes back. */
  monotonicNow?: () => number;
}

interface Entry<Fact> {
  fact: Fact;
  loadedAt: number;
  usedAt: number;
}
/** One who waits for an id, and with it all who asked meanwhile. */
interface Waiter<Fact> {
  promise: Promise<Fact | null>;
  resolve(fact: Fact | null): void;
  reject(error: unknown): void;
}
/** One statement under way. What it read of a forgotten id may be older than the change that forgot it. */
interface Flight<Fact> {
  waiters: Map<string, Waiter<Fact>>;
  forgotten: Set<string>;
}

/** Parameters of one statement. */
const MAX_BATCH = 1_000;
/** Statements under way at once; what is asked for meanwhile makes the next batch larger. */
const MAX_FLIGHTS = 2;
/** While the database is away, cached facts serve at once, and somebody asks again this often. */
const PROBE_MS = 1_000;
/** Above these the oldest go. Ids that don't exist are counted apart: whoever makes them up evicts only them. */
const MAX_ENTRIES = 200_000;
const MAX_ABSENT = 20_000;
const SWEEP_MS = 60_000;

/**
 * Facts of one kind by id. Promises: a fact is at most `freshMs` old while the database answers; asked-for ids of one turn
 * of the event loop are one statement, and an id is asked for once however many wait; what was forgotten while it was
 * being read is read again. While the database is away, facts serve until `outageMs` after they were read, at once.
 */
export class FactCache<Fact> {
  readonly #options: FactCacheOptions<Fact>;
  readonly #now: () => number;
  readonly #entries = new Map<string, Entry<Fact>>();
  readonly #absent = new Map<string, number>();
  /** Whom an answer that is still good will reach: queued or under way. */
  readonly #waiting = new Map<string, Waiter<Fact>>();
  #queue = new Map<string, Waiter<Fact>>();
  readonly #flights = new Set<Flight<Fact>>();
  #scheduled = false;
  #sweptAt: number;
  /** When the database was last found away; null: it answered since. */
  #failedAt: number | null = null;

  constructor(options: FactCacheOptions<Fact>) {
    this.#options = options;
    this.#now = options.monotonicNow ?? (() => performance.now());
    this.#sweptAt = this.#now();
  }

  get size(): number {
    return this.#entries.size + this.#absent.size;
  }

  /** The fact, null where there is no row; at once where it is known, else once it was read. Rejects as `load` does. */
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

  /** The fact, null where there is no row; undefined where it would have to be read, or the database is away. */
  known(id: string): Fact | null | undefined {
    const now = this.#now();
    const entry = this.#entries.get(id);
    if (!entry) return this.#isAbsent(id, now) ? null : undefined;
    if (now - entry.loadedAt > this.#options.freshMs) return undefined;
    entry.usedAt = now;
    return entry.fact;
  }

  /** Reads anew what of these is older than `ageMs` or unknown; false: the database was away. */
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
    // Whoever still had a fact was given it, so that only the cache knows whether it was read.
    return asked.length === 0 || this.#failedAt === null;
  }

  /** Forgets one fact: the next to ask reads it, and no older reading that is under way gets in. */
  forget(id: string): void {
    this.#entries.delete(id);
    this.#absent.delete(id);
    if (this.#queue.has(id)) return;
    this.#waiting.delete(id);
    for (const flight of this.#flights) if (flight.waiters.has(id)) flight.forgotten.add(id);
  }

  /** Forgets the facts this is true for, and whatever is being read, of which that can't be known yet. */
  forgetWhere(matches: (fact: Fact) => boolean): void {
    for (const [id, { fact }] of this.#entries) if (matches(fact)) this.#entries.delete(id);
    this.#absent.clear();
    for (const flight of this.#flights) for (const id of flight.waiters.keys()) this.forget(id);
  }

  /** The fact as it was last read, without using it; undefined where none is known. */
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

  /** With the database away, nobody waits for it who can be served without; now and then one asks whether it is back. */
  #servesStale(id: string, entry: Entry<Fact>, now: number): boolean {
    if (this.#failedAt === null || now - entry.loadedAt > this.#options.outageMs) return false;
    const probes = now - this.#failedAt > PROBE_MS && this.#flights.size === 0;
    // Nobody waits for this probe: what it finds out is kept, and a failure that is no outage ends the stale serving.
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

  /** Lets go of what nobody used for `outageMs`, and of what is no longer known not to exist. */
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
    // A fact is as old as the question: the row may change while the answer is on its way.
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
    // Deleted first, so that the maps stay in the order of reading and the first ones are the oldest.
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
  // A promise calls its executor at once; the compiler can't know.
  if (!settle) throw new Error("unreachable");
  return { promise, ...settle };
}

/** Also a statement that was too slow: whoever is known need not wait for the next one to be as slow. */
function isUnavailable(error: unknown): boolean {
  return error instanceof HubError && (error.code === "unavailable" || error.code === "timeout");
}

function evict(map: Map<string, unknown>, max: number): void {
  for (const id of map.keys()) {
    if (map.size <= max) return;
    map.delete(id);
  }
}
