import fc from "fast-check";
import { until } from "../support/until.ts";
import { AttackedHub, type Held } from "./attacked-hub.ts";
import { type Attack, attack, inputsIn } from "./inputs/attack.ts";
import { play } from "./play.ts";
import type { Tenant } from "./tenants.ts";

export interface RunOptions {
  /** The run ends after this many inputs. */
  inputs: number;
  seed: number;
  /** Number of concurrent attacks, each by a separate tenant. */
  lanes: number;
  /** The run ends after this time, regardless of the number of inputs. */
  limitMs: number;
  say(line: string): void;
}

export interface Outcome {
  inputs: number;
  seconds: number;
  /** The first fault; null: none. */
  fault: string | null;
  /** The attacks at the time of the fault, in the format of `--again`; the first is the likeliest. */
  suspects: string[];
  /** MiB in use after garbage collections, in order. */
  memory: number[];
  heldBefore: Held;
  heldAfter: Held;
  observer: { rounds: number; slowestMs: number };
  /** The number of answers, by code. */
  answers: ReadonlyMap<string, number>;
}

/** Attacks per tenant; the next tenant starts with all its rows. */
const ATTACKS_PER_TENANT = 4;
const MEMORY_SAMPLES = 40;
/** The next ping detects a cut connection, within 15 s. */
const RELEASE_LIMIT_MS = 60_000;

/** Attacks a separate hub until enough inputs were sent or a promise was broken. */
export async function run(options: RunOptions): Promise<Outcome> {
  const hub = await AttackedHub.start();
  try {
    return await new Run(hub, options).outcome();
  } finally {
    await hub.stop();
  }
}

class Run {
  readonly #hub: AttackedHub;
  readonly #options: RunOptions;
  readonly #startedAt = performance.now();
  readonly #playing = new Set<string>();
  readonly #memory: number[] = [];
  #chunks = 0;
  #inputs = 0;
  #fault: string | null = null;
  #suspects: string[] = [];

  constructor(hub: AttackedHub, options: RunOptions) {
    this.#hub = hub;
    this.#options = options;
  }

  async outcome(): Promise<Outcome> {
    await until("the observer works", () => this.#hub.observer.rounds > 2);
    const heldBefore = await this.#hub.held();
    const sampling = this.#sample();
    await Promise.all(Array.from({ length: this.#options.lanes }, () => this.#lane()));
    const seconds = (performance.now() - this.#startedAt) / 1_000;
    await sampling.catch((error: unknown) => this.#failed(null, error));
    const heldAfter = this.#fault === null ? await this.#released(heldBefore) : heldBefore;
    const { rounds, slowestMs } = this.#hub.observer;
    this.#fault ??= this.#hub.fault();
    return {
      inputs: this.#inputs,
      seconds,
      fault: this.#fault,
      suspects: this.#suspects,
      memory: this.#memory,
      heldBefore,
      heldAfter,
      observer: { rounds, slowestMs },
      answers: this.#fault === null ? await this.#hub.answers() : new Map(),
    };
  }

  get #over(): boolean {
    const { inputs, limitMs } = this.#options;
    return this.#fault !== null || this.#inputs >= inputs || performance.now() - this.#startedAt > limitMs;
  }

  async #lane(): Promise<void> {
    while (!this.#over) {
      this.#chunks += 1;
      const seed = this.#options.seed + this.#chunks;
      try {
        await this.#chunk(seed, await this.#hub.tenant());
      } catch (error) {
        // The database ends with the hub.
        this.#failed(null, error);
      }
    }
  }

  async #chunk(seed: number, names: Tenant): Promise<void> {
    let index = 0;
    const property = fc.asyncProperty(attack, async (attacks) => {
      if (this.#over) return;
      const id = `${seed}:${index}`;
      index += 1;
      this.#playing.add(id);
      try {
        await play(this.#hub, names, attacks);
        this.#inputs += inputsIn(attacks);
      } catch (error) {
        this.#failed(id, error);
      }
      this.#playing.delete(id);
    });
    await fc.assert(property, { seed, numRuns: ATTACKS_PER_TENANT, endOnFailure: true });
  }

  /** `id`: the id of the failed attack; null: no single attack. */
  #failed(id: string | null, error: unknown): void {
    if (this.#fault !== null) return;
    this.#fault = this.#hub.fault() ?? (error instanceof Error ? error.message : String(error));
    this.#suspects = [...new Set([...(id === null ? [] : [id]), ...this.#playing])];
  }

  /** Measures memory after each part of the inputs. */
  async #sample(): Promise<void> {
    const { inputs, say } = this.#options;
    for (let part = 1; !this.#over; part += 1) {
      const due = (inputs * part) / MEMORY_SAMPLES;
      await until("inputs are sent", () => this.#inputs >= due || this.#over, this.#options.limitMs);
      if (this.#over) return;
      const mebibytes = await this.#hub.usedMebibytes();
      this.#memory.push(mebibytes);
      const seconds = Math.round((performance.now() - this.#startedAt) / 1_000);
      say(`${this.#inputs} inputs, ${seconds} s, ${mebibytes.toFixed(1)} MiB`);
    }
  }

  async #released({ connections, transports, sockets }: Held): Promise<Held> {
    let held = await this.#hub.held();
    const back = async () => {
      held = await this.#hub.held();
      // Two more are the connections that query the figures.
      return held.connections <= connections && held.transports <= transports && held.sockets <= sockets + 2;
    };
    await until("the hub has released its clients' resources", back, RELEASE_LIMIT_MS).catch(() => undefined);
    return held;
  }
}

/** Plays one attack of a run alone, and shrinks it to the smallest part that breaks the promise. Null: none was broken. */
export async function again(id: string, limitMs: number): Promise<{ attack: Attack; fault: string } | null> {
  const [seed = "", ...path] = id.split(":");
  let hub = await AttackedHub.start();
  const property = fc.asyncProperty(attack, async (attacks) => {
    try {
      await play(hub, await hub.tenant(), attacks);
    } catch (error) {
      if (hub.fault() !== null) {
        await hub.stop();
        hub = await AttackedHub.start();
      }
      throw error;
    }
  });
  try {
    const details = await fc.check(property, {
      seed: Number(seed),
      path: path.join(":"),
      numRuns: 1,
      interruptAfterTimeLimit: limitMs,
    });
    const [smallest] = details.counterexample ?? [];
    if (!details.failed || !smallest) return null;
    const { errorInstance } = details;
    return { attack: smallest, fault: errorInstance instanceof Error ? errorInstance.message : String(errorInstance) };
  } finally {
    await hub.stop();
  }
}
