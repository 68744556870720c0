import { setTimeout as pause } from "node:timers/promises";
import { HubError } from "../kernel/errors.ts";
import type { Logger } from "../kernel/log.ts";
import {
  afterInput,
  type Input,
  nextStep,
  patience,
  pauseAfter,
  RETRY_MS,
  type Serving,
  type Step,
  termAt,
  WAITING,
  whyNotServing,
} from "./serving.ts";
import type { ServingSession } from "./serving-session.ts";

export interface ServingKeeperOptions {
  withRedis: boolean;
  open(onLost: () => void): Promise<ServingSession>;
  log: Logger;
}

/** Holds the lock of the serving hub, or waits for it; `serving.ts` decides. */
export class ServingKeeper {
  /** Resolves when clients are served for the first time. Rejects if `begin` does: the hub must end. */
  readonly serving: Promise<void>;
  /** Resolves when a successor waits, or serves already: this hub must drain and end. */
  readonly replaced: Promise<void>;
  readonly #options: ServingKeeperOptions;
  #begin: () => Promise<void> = async () => undefined;
  #serve: () => void = () => undefined;
  #fail: (error: unknown) => void = () => undefined;
  #giveWay: () => void = () => undefined;
  #begun = false;
  #state: Serving = WAITING;
  #session: ServingSession | null = null;
  /** The last held term. */
  #term: number | null = null;
  #reported: string | null = null;
  #wake = new AbortController();
  #running: Promise<void> | null = null;
  #closed = false;

  constructor(options: ServingKeeperOptions) {
    this.#options = options;
    this.serving = new Promise((resolve, reject) => {
      this.#serve = resolve;
      this.#fail = reject;
    });
    // Logged at its cause, even if the caller waits for something else.
    this.serving.catch(() => undefined);
    this.replaced = new Promise((resolve) => {
      this.#giveWay = resolve;
    });
  }

  /** The term in which this hub may publish changes and write presence now, or null. */
  readonly term = (): number | null => termAt(this.#state, performance.now());

  /** Why the hub does not serve, and what to do; null: it serves. */
  get fault(): string | null {
    const why = whyNotServing(this.#state, performance.now(), this.#options.withRedis);
    return why ?? (this.#begun ? null : "This hub is about to serve. Wait a few seconds.");
  }

  /** Whether a successor waits for the lock, or serves already. */
  get givesWay(): boolean {
    return this.#state.name === "leaving" || this.isReplaced || this.#isLostToSuccessor;
  }

  /** Whether another hub has served since this one held the lock. */
  get isReplaced(): boolean {
    return this.#state.name === "replaced";
  }

  get #isLostToSuccessor(): boolean {
    return this.#state.name === "released" && this.#state.successorAsked;
  }

  /** Whether the hub holds the lock, or may get it again, so that pending writes are still possible. */
  get mayWrite(): boolean {
    return !this.isReplaced && this.#state.name !== "released";
  }

  /** Why no request is served; null: requests are served. A hub without a database connection still serves what needs none. */
  readonly refusal = (): HubError | null => {
    if (this.#state.name === "released" || this.isReplaced) {
      const message = "This hub has handed over to another one. Connect again to reach it.";
      return new HubError("draining", message, { retryAfterMs: RETRY_MS });
    }
    if (this.#begun) return null;
    const message = "This hub does not serve yet: another one does. Connect again to reach it.";
    return new HubError("unavailable", message, { retryAfterMs: RETRY_MS });
  };

  /**
   * Tries once and continues in the background; if it gets the lock, the hub serves when this resolves. `begin` prepares
   * to serve clients, once the lock is held for the first time. Rejects with the driver's error.
   */
  async start(begin: () => Promise<void>): Promise<void> {
    this.#begin = begin;
    this.#session = await this.#open();
    this.#take(await this.#ask("acquire", this.#session));
    this.#running = this.#run();
    if (this.#state.name === "serving") await this.serving;
  }

  /** Releases the lock: from now on another hub may serve. */
  async release(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#take({ name: "released" });
    this.#wake.abort();
    const session = this.#session;
    this.#session = null;
    await session?.release();
    await this.#running;
  }

  async #run(): Promise<void> {
    for (let step = nextStep(this.#state); step !== null && !this.#closed; step = nextStep(this.#state)) {
      await this.#rest();
      if (!this.#closed) await this.#carryOut(step);
    }
  }

  /** Waits until the next step is due, or an event wakes it. */
  async #rest(): Promise<void> {
    const { signal } = this.#wake;
    await pause(pauseAfter(this.#state), undefined, { signal }).catch(() => undefined);
    if (signal.aborted) this.#wake = new AbortController();
  }

  async #carryOut(planned: Step): Promise<void> {
    // The connection may have ended in the meantime.
    const step = nextStep(this.#state) ?? planned;
    if (step === null) return;
    try {
      this.#session ??= await this.#open();
      this.#take(await this.#ask(step, this.#session));
    } catch (error) {
      if (this.#closed) return;
      this.#options.log.debug({ err: error }, "the lock of the serving hub could not be requested");
      await this.#drop();
      this.#take({ name: "lost" });
    }
  }

  async #open(): Promise<ServingSession> {
    const session: ServingSession = await this.#options.open(() => {
      if (this.#session !== session) return;
      this.#session = null;
      this.#take({ name: "lost" });
      this.#wake.abort();
    });
    if (!this.#closed) return session;
    await session.close();
    throw new Error("the hub released the lock while its session was opened");
  }

  /** Rejects if no answer comes while the last proof is valid. */
  #ask(step: Exclude<Step, null>, session: ServingSession): Promise<Input> {
    const limit = new AbortController();
    const late = pause(patience(this.#state, performance.now()), undefined, { signal: limit.signal }).then(() => {
      throw new Error("no answer in time");
    });
    const asked = {
      acquire: () => session.acquire(this.#term, this.#state.name === "waiting" && this.#state.request === "refused"),
      request: () => session.request(),
      prove: () => session.prove(),
    }[step]();
    return Promise.race([asked, late]).finally(() => limit.abort());
  }

  #take(input: Input): void {
    const before = this.#state;
    this.#state = afterInput(before, input, this.#options.withRedis);
    if (this.#state.name === "serving") this.#term = this.#state.term;
    this.#report();
    if (before.name === this.#state.name) return;
    if (before.name === "waiting" && this.#state.name === "serving") void this.#beginToServe();
    if (this.givesWay) this.#giveWay();
  }

  async #beginToServe(): Promise<void> {
    try {
      await this.#begin();
    } catch (error) {
      this.#options.log.fatal({ err: error }, "this hub can't begin to serve: it releases the lock");
      await this.release();
      this.#fail(error);
      return;
    }
    this.#begun = true;
    this.#report();
    this.#serve();
  }

  /** Logs each reason not to serve once, and its end. An ordinary start logs nothing. */
  #report(): void {
    if (this.#closed) return;
    const why = whyNotServing(this.#state, performance.now(), this.#options.withRedis);
    if (why === this.#reported) return;
    if (why !== null) this.#options.log.warn(why);
    else this.#options.log.info("this hub serves");
    this.#reported = why;
  }

  async #drop(): Promise<void> {
    const session = this.#session;
    this.#session = null;
    await session?.close();
  }
}
