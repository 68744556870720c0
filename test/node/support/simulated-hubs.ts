import {
  afterInput,
  type Input,
  nextStep,
  patience,
  pauseAfter,
  type Serving,
  termAt,
  WAITING,
} from "../../../hub/node/serving.ts";
import { SimulatedDatabase } from "./simulated-database.ts";

/** Numbers in [0, 1) from a seed (mulberry32). */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Events in the order of their times. */
export class Timeline {
  now = 0;
  readonly #events: { at: number; run: () => void }[] = [];

  after(ms: number, run: () => void): void {
    const at = this.now + ms;
    const index = this.#events.findIndex((event) => event.at > at);
    this.#events.splice(index < 0 ? this.#events.length : index, 0, { at, run });
  }

  /** Runs the events due until `until`; calls `each` after every event. */
  run(until: number, each: () => void): void {
    for (let next = this.#events[0]; next && next.at <= until; next = this.#events[0]) {
      this.#events.shift();
      this.now = next.at;
      next.run();
      each();
    }
    this.now = until;
  }
}

/** How long a hub that hands over writes back pending data. */
const RETIRE_MS = 1_500;
const MAX_DELAY_MS = 40;

/** One process of a hub: the loop of `serving-keeper.ts` over a network with delays. */
export class SimulatedHub {
  readonly nodeId: string;
  readonly withRedis: boolean;
  state: Serving = WAITING;
  /** `ended`: stopped. `gone`: killed or vanished. */
  life: "runs" | "ended" | "gone" = "runs";
  pausedUntil = 0;
  readonly #world: World;
  /** The connection; a closed one delivers no answers. */
  #link: { session: number; open: boolean } | null = null;
  #term: number | null = null;
  #retiring = false;

  constructor(world: World, nodeId: string, withRedis: boolean) {
    this.#world = world;
    this.nodeId = nodeId;
    this.withRedis = withRedis;
    this.#later(0, () => this.#turn());
  }

  /** Whether it publishes and writes now. */
  get acts(): boolean {
    const { now } = this.#world.timeline;
    return this.life === "runs" && now >= this.pausedUntil && termAt(this.state, now) !== null;
  }

  /** The process dies; `silently`: Postgres receives no end of its connection. */
  kill(silently: boolean): void {
    this.life = "gone";
    if (!silently) this.#closeSession();
  }

  /** Stops cleanly, as on SIGTERM. */
  stop(): void {
    if (this.life === "runs") this.#retire();
  }

  /** The connection breaks; `silently`: Postgres does not detect it. */
  cut(silently: boolean): void {
    if (!silently) {
      this.#world.sessionsEndedAt = this.#world.timeline.now;
      this.#closeSession();
    }
    this.#later(this.#world.delay(), () => this.#lost(this.#link));
  }

  /** Runs this once its process is not paused any more. */
  #later(ms: number, run: () => void): void {
    const { timeline } = this.#world;
    timeline.after(ms, () => {
      if (this.life !== "runs") return;
      if (timeline.now < this.pausedUntil) this.#later(this.pausedUntil - timeline.now, run);
      else run();
    });
  }

  #turn(): void {
    const { timeline, database } = this.#world;
    const step = nextStep(this.state);
    if (step === null) {
      this.#retire();
      return;
    }
    if (!this.#link?.open) {
      if (timeline.now < this.#world.databaseAwayUntil) {
        this.#later(pauseAfter(this.state), () => this.#turn());
        return;
      }
      this.#link = { session: database.open(timeline.now).id, open: true };
    }
    const link = this.#link;
    const sentAt = timeline.now;
    let answered = false;
    const question = {
      step,
      nodeId: this.nodeId,
      withRedis: this.withRedis,
      mine: this.#term,
      refused: this.#isRefused,
    };
    timeline.after(this.#world.delay(), () => {
      const answer = database.answer(link.session, question, timeline.now);
      this.#later(this.#world.delay(), () => {
        if (answered || !link.open) return;
        answered = true;
        if (!answer) {
          this.#lost(link);
          return;
        }
        const at = sentAt;
        this.#take(answer.name === "acquired" || answer.name === "proven" ? { ...answer, at } : answer);
        this.#later(pauseAfter(this.state), () => this.#turn());
      });
    });
    this.#later(patience(this.state, sentAt), () => {
      if (answered || !link.open) return;
      answered = true;
      this.#lost(link);
    });
  }

  #take(input: Input): void {
    this.state = afterInput(this.state, input, this.withRedis);
    if (input.name === "acquired") this.#term = input.term;
    if (this.state.name === "leaving" || this.state.name === "replaced") this.#retire();
  }

  #lost(link: { open: boolean } | null): void {
    if (!link?.open) return;
    link.open = false;
    this.#take({ name: "lost" });
    this.#later(pauseAfter(this.state), () => this.#turn());
  }

  #retire(): void {
    if (this.#retiring) return;
    this.#retiring = true;
    this.#later(this.#world.random() * RETIRE_MS, () => {
      this.#take({ name: "released" });
      this.life = "ended";
      this.#release();
      this.#world.ended(this);
    });
  }

  get #isRefused(): boolean {
    return this.state.name === "waiting" && this.state.request === "refused";
  }

  #release(): void {
    const { timeline, database } = this.#world;
    const session = this.#link?.session;
    const mine = this.#term;
    if (session !== undefined) timeline.after(this.#world.delay(), () => database.release(session, mine));
  }

  #closeSession(): void {
    const { timeline, database } = this.#world;
    const session = this.#link?.session;
    if (session !== undefined) timeline.after(this.#world.delay(), () => database.sessions.delete(session));
  }
}

/** Hubs of one database, and a platform that restarts ended hubs. */
export class World {
  readonly timeline = new Timeline();
  readonly database = new SimulatedDatabase();
  readonly random: () => number;
  readonly hubs: SimulatedHub[] = [];
  databaseAwayUntil = 0;
  /** The times at which sessions ended without an action of their hubs. */
  sessionsEndedAt = Number.NEGATIVE_INFINITY;
  restarts = true;

  constructor(seed: number) {
    this.random = seededRandom(seed);
  }

  get running(): SimulatedHub[] {
    return this.hubs.filter(({ life }) => life === "runs");
  }

  delay(): number {
    return this.random() * MAX_DELAY_MS;
  }

  start(withRedis: boolean): SimulatedHub {
    const hub = new SimulatedHub(this, `node_${this.hubs.length}`, withRedis);
    this.hubs.push(hub);
    return hub;
  }

  ended({ withRedis }: SimulatedHub): void {
    if (this.restarts) this.timeline.after(1_000 + this.random() * 9_000, () => this.start(withRedis));
  }

  restartDatabase(awayMs: number, silently: boolean): void {
    this.databaseAwayUntil = this.timeline.now + awayMs;
    this.sessionsEndedAt = this.timeline.now;
    this.database.sessions.clear();
    if (!silently) for (const hub of this.running) hub.cut(true);
  }
}
