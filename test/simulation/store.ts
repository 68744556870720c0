import { HubError } from "../../hub/kernel/errors.ts";
import { newestOf } from "../../hub/presence/membership.ts";
import { emptyState, MemoryRecords, type MemoryState } from "../../hub/presence/memory-records.ts";
import type {
  LeaseReply,
  LeaseRequest,
  Reading,
  RecordListener,
  RecordStore,
  RosterMessage,
  RosterReading,
  Swap,
  SwapReply,
} from "../../hub/presence/records.ts";
import type { Life, Scheduler } from "./scheduler.ts";

type Method = Exclude<keyof RecordStore, "parts" | "partOf" | "listen" | "unlisten">;

/** The store that all nodes share: the records of a lone hub, which stand still, restart, and lose data. */
export class SimulatedStore {
  records: MemoryRecords;
  state: MemoryState = emptyState();
  pausedUntil = 0;
  fullUntil = 0;
  /** Counts restarts: what was on its way is lost. */
  life = 0;
  #skew = 0;
  #kept: MemoryState | null = null;
  readonly scheduler: Scheduler;
  readonly links = new Set<StoreLink>();
  /** Receives what is carried out; null: nobody reads it. */
  readonly say: ((text: string) => void) | null;

  constructor(scheduler: Scheduler, say: ((text: string) => void) | null) {
    this.scheduler = scheduler;
    this.say = say;
    this.records = this.#recordsOf(this.state);
  }

  /** Milliseconds since 1970, by the store's own clock. */
  now(): number {
    return 1_000_000_000_000 + Math.floor(this.scheduler.now) + this.#skew;
  }

  stepClock(ms: number): void {
    this.#skew += ms;
  }

  /** Keeps the state, for a restart that lacks what is written from now on. */
  keep(): void {
    this.#kept = structuredClone(this.state);
  }

  get hasKept(): boolean {
    return this.#kept !== null;
  }

  /** Everything is gone, and the same process runs on. */
  flush(): void {
    this.#use(emptyState());
  }

  restart(kept: boolean): void {
    const state = kept && this.#kept ? structuredClone(this.#kept) : emptyState();
    const now = this.now();
    state.generation = 0;
    state.founding = "";
    // What a restarted store has may be of the past: epochs end.
    for (const channel of state.channels.values()) {
      state.epochs += 1;
      channel.epoch = `restart${this.life}.${state.epochs}`;
      channel.since = now;
    }
    this.life += 1;
    this.#use(state);
    for (const link of this.links) link.connectionLost();
  }

  #use(state: MemoryState): void {
    this.state = state;
    this.records = this.#recordsOf(state);
    for (const link of this.links) link.listenAgain();
  }

  #recordsOf(state: MemoryState): MemoryRecords {
    return new MemoryRecords({ epoch: `e${this.life}.${this.scheduler.steps}`, state, now: () => this.now() });
  }
}

interface Listening {
  listener: RecordListener;
  proxy: RecordListener;
  isSubscribed: boolean;
}

/** How long a node waits for an answer. */
const ANSWER_MS = 4_000;
const WRITES: readonly Method[] = ["ticket", "note", "swap"];

/** One node's connections to the store: commands in order, answers and messages late, cut off at times. */
export class StoreLink implements RecordStore {
  readonly parts = 1;
  cutUntil = 0;
  readonly #store: SimulatedStore;
  readonly #scheduler: Scheduler;
  readonly #life: Life;
  /** Counts connections: what was on its way on an older one is lost. */
  #connection = 0;
  #sentUntil = 0;
  #receivedUntil = 0;
  #deafUntil = 0;
  readonly #listeners = new Map<string, Listening>();

  readonly #name: string;

  constructor(store: SimulatedStore, life: Life, name: string) {
    this.#name = name;
    this.#store = store;
    this.#scheduler = store.scheduler;
    this.#life = life;
    store.links.add(this);
  }

  partOf(): number {
    return 0;
  }
  ticket(...args: Parameters<RecordStore["ticket"]>) {
    return this.#call("ticket", args);
  }
  read(...args: Parameters<RecordStore["read"]>): Promise<Reading> {
    return this.#call("read", args);
  }
  readAll(...args: Parameters<RecordStore["readAll"]>): Promise<Reading[]> {
    return this.#call("readAll", args);
  }
  note(...args: Parameters<RecordStore["note"]>): Promise<number> {
    return this.#call("note", args);
  }
  swap(swap: Swap): Promise<SwapReply> {
    return this.#call("swap", [swap]);
  }
  show(...args: Parameters<RecordStore["show"]>): Promise<void> {
    return this.#call("show", args);
  }
  roster(channel: string): Promise<RosterReading> {
    return this.#call("roster", [channel]);
  }
  position(...args: Parameters<RecordStore["position"]>) {
    return this.#call("position", args);
  }
  count(channel: string): Promise<number> {
    return this.#call("count", [channel]);
  }
  lease(request: LeaseRequest): Promise<LeaseReply> {
    return this.#call("lease", [request]);
  }
  found(...args: Parameters<RecordStore["found"]>): Promise<void> {
    return this.#call("found", args);
  }
  disown(...args: Parameters<RecordStore["disown"]>): Promise<void> {
    return this.#call("disown", args);
  }
  noted(...args: Parameters<RecordStore["noted"]>): Promise<string[]> {
    return this.#call("noted", args);
  }
  strike(...args: Parameters<RecordStore["strike"]>): Promise<void> {
    return this.#call("strike", args);
  }
  retire(...args: Parameters<RecordStore["retire"]>): Promise<void> {
    return this.#call("retire", args);
  }

  async listen(channel: string, listener: RecordListener): Promise<void> {
    const known = this.#listeners.get(channel);
    if (known?.isSubscribed && this.#scheduler.now >= this.#deafUntil) return;
    const proxy = {
      message: (_: string, message: RosterMessage) => this.#receive(channel, message),
      confirmed: () => undefined,
    };
    const entry = known ?? { listener, proxy, isSubscribed: false };
    this.#listeners.set(channel, entry);
    await this.#subscribe(channel, entry);
  }

  unlisten(channel: string): void {
    const entry = this.#listeners.get(channel);
    this.#listeners.delete(channel);
    if (entry) this.#store.records.unlisten(channel, entry.proxy);
  }

  /** The store is another one: whoever listened to the former listens to this one. */
  listenAgain(): void {
    if (this.#life.ended) return;
    for (const [channel, { proxy }] of this.#listeners) void this.#store.records.listen(channel, proxy);
  }

  cut(ms: number): void {
    this.cutUntil = this.#scheduler.now + ms;
    this.connectionLost(ms);
  }

  connectionLost(ms = 0): void {
    this.#connection += 1;
    this.#deafen(ms + this.#scheduler.random(2_000));
  }

  /** Messages are lost for a while; afterwards the node knows that some may have been. */
  #deafen(ms: number): void {
    this.#deafUntil = this.#scheduler.now + ms;
    const until = this.#deafUntil;
    this.#scheduler.after(
      ms,
      () => {
        if (this.#deafUntil !== until) return;
        for (const [channel, { listener, isSubscribed }] of [...this.#listeners])
          if (isSubscribed) listener.confirmed(channel);
      },
      this.#life,
    );
  }

  #receive(channel: string, message: RosterMessage): void {
    const { now } = this.#scheduler;
    if (this.#life.ended || now < this.#deafUntil) return;
    if (this.#scheduler.chance(0.01)) {
      this.#deafen(200 + this.#scheduler.random(2_000));
      return;
    }
    const connection = this.#connection;
    const late = this.#scheduler.chance(0.05) ? this.#scheduler.random(2_000) : this.#scheduler.random(5);
    this.#receivedUntil = Math.max(this.#receivedUntil, now + 1 + late);
    this.#scheduler.after(
      this.#receivedUntil - now,
      () => {
        if (connection !== this.#connection) return;
        this.#listeners.get(channel)?.listener.message(channel, message);
      },
      this.#life,
    );
  }

  /** Tries until it is subscribed; rejects where the first attempt fails. */
  async #subscribe(channel: string, entry: Listening): Promise<void> {
    const isWanted = () => this.#listeners.get(channel) === entry;
    try {
      await this.#send(async () => {
        if (isWanted()) await this.#store.records.listen(channel, entry.proxy);
      });
      if (this.#scheduler.now < this.#deafUntil) throw away();
    } catch (error) {
      setTimeout(
        () => isWanted() && !entry.isSubscribed && void this.#subscribe(channel, entry).catch(() => undefined),
        250,
      );
      throw error;
    }
    if (!isWanted() || entry.isSubscribed) return;
    entry.isSubscribed = true;
    entry.listener.confirmed(channel);
  }

  #call<Name extends Method>(name: Name, args: Parameters<RecordStore[Name]>): ReturnType<RecordStore[Name]> {
    const work = () => {
      if (this.#store.fullUntil > this.#scheduler.now && WRITES.includes(name)) throw away();
      const method = this.#store.records[name] as (...args: unknown[]) => Promise<unknown>;
      const answer = method.apply(this.#store.records, args);
      const { say } = this.#store;
      if (say) void answer.then((value) => say(`  ${this.#name} ${told(name, args, value)}`));
      return answer;
    };
    return this.#send(work) as ReturnType<RecordStore[Name]>;
  }

  /** Carries out `work` at the store, in the order in which it was sent, unless the connection is lost before. */
  #send(work: () => Promise<unknown>): Promise<unknown> {
    const scheduler = this.#scheduler;
    return new Promise((resolve, reject) => {
      let settled = false;
      const settle = (how: () => void) => {
        if (!settled) how();
        settled = true;
      };
      const fail = () => settle(() => reject(away()));
      if (this.cutUntil > scheduler.now) return scheduler.after(20 + scheduler.random(500), fail, this.#life);
      const connection = this.#connection;
      const { now } = scheduler;
      const late = scheduler.chance(0.05) ? scheduler.random(3_000) : scheduler.random(5);
      this.#sentUntil = Math.max(this.#sentUntil, now + 1 + late);
      if (this.#sentUntil - now > ANSWER_MS) scheduler.after(ANSWER_MS, fail, this.#life);
      const storeLife = this.#store.life;
      const arrive = () => {
        const { pausedUntil } = this.#store;
        if (pausedUntil > scheduler.now) {
          if (pausedUntil - now > ANSWER_MS)
            scheduler.after(Math.max(1, now + ANSWER_MS - scheduler.now), fail, this.#life);
          return scheduler.after(pausedUntil - scheduler.now, arrive, null);
        }
        // What was sent on a connection that is lost may have arrived before, or not.
        const isLost = storeLife !== this.#store.life || (connection !== this.#connection && scheduler.chance(0.5));
        if (isLost) return scheduler.after(1, fail, this.#life);
        let answer: Promise<unknown>;
        try {
          answer = work();
        } catch {
          return scheduler.after(1, fail, this.#life);
        }
        answer.then(
          (value) => this.#answer(connection, () => settle(() => resolve(value)), fail),
          () => scheduler.after(1, fail, this.#life),
        );
      };
      scheduler.after(this.#sentUntil - now, arrive, null);
    });
  }

  #answer(connection: number, resolve: () => void, fail: () => void): void {
    const late = this.#scheduler.chance(0.05) ? this.#scheduler.random(2_000) : this.#scheduler.random(5);
    const arrived = () => (connection === this.#connection ? resolve() : fail());
    this.#scheduler.after(1 + late, arrived, this.#life);
  }
}

/** A command and its outcome, for a reader. */
function told(name: Method, args: unknown[], value: unknown): string {
  if (name === "swap") {
    const [{ key, next, incarnation, expected }] = args as [Swap];
    const { outcome, generation, revision } = value as SwapReply;
    const { kind = "deleted" } = next?.state ?? {};
    const who = next ? newestOf(next).connectionId : "";
    return `swap ${key.slice(-2)} ${kind} ${who} by ${incarnation}, from ${expected % 1e10}: ${outcome} ${generation}:${revision % 1e10}`;
  }
  if (name === "lease" || name === "found") return `${name} ${JSON.stringify([...args, value])}`;
  if (name === "show") {
    const [channel, key, { generation, revision }, shown] = args as Parameters<RecordStore["show"]>;
    const what = typeof shown === "string" ? shown : shown.state;
    return `show ${key.slice(-2)} on ${channel.slice(8, 35).slice(-2)} ${generation}:${revision % 1e10} ${what}`;
  }
  return `${name} ${JSON.stringify(args)}`;
}

function away(): HubError {
  return new HubError("unavailable", "The store is away.", { retryAfterMs: 1_000 });
}
