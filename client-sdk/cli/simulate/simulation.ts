import { setTimeout as pause } from "node:timers/promises";
import { rateText } from "../format/numbers.ts";
import { untilAborted, withTimeLimit } from "../kernel/abort-signals.ts";
import { paced } from "../kernel/paced.ts";
import type { Output } from "../terminal/output.ts";
import { Progress } from "../terminal/progress.ts";
import { watchTable } from "../terminal/watch-table.ts";
import type { Machine, MachineState } from "./machine.ts";

const STATUS_EVERY_MS = 1_000;
/** The interval in a pipe. */
const LINE_EVERY_MS = 5_000;
const LEAVES_PER_SECOND = 200;

export interface SimulationOptions {
  /** Arrivals per second. */
  ratePerSecond: number;
  /** The interval of crashes; null: none. */
  flapEveryMs: number | null;
  /** Ends after this time; null: at Ctrl-C. */
  forMs: number | null;
  signal: AbortSignal;
  output: Output;
}

/** The number of machines per state, and counts of their actions. */
export type Status = Record<MachineState, number> & { total: number; changesPerSecond: number; crashes: number };

/** Machines that arrive, change, crash and leave together. */
export class Simulation {
  readonly #machines: readonly Machine[];
  readonly #options: SimulationOptions;
  #changes = 0;
  #crashes = 0;
  #seen = { at: performance.now(), changes: 0 };

  constructor(machines: readonly Machine[], options: SimulationOptions) {
    this.#machines = machines;
    this.#options = options;
  }

  changed(): void {
    this.#changes += 1;
  }

  /** Lets all machines arrive. Rejects with the first refusal. */
  async open(): Promise<void> {
    const { ratePerSecond, signal, output } = this.#options;
    const progress = new Progress("connecting", this.#machines.length, output);
    const left = untilAborted(signal);
    left.catch(() => undefined);
    try {
      await paced(this.#machines, { perSecond: ratePerSecond, signal }, async (machine) => {
        await Promise.race([machine.arrive(), left]);
        progress.step();
      });
    } finally {
      progress.end();
    }
  }

  /** Resolves when the time is over. Rejects with the reason of the aborted signal. */
  async live(): Promise<void> {
    const { forMs, signal, output } = this.#options;
    const leaving = forMs === null ? signal : withTimeLimit(signal, forMs).signal;
    const isTerminal = output.mode === "terminal";
    const everyMs = isTerminal ? STATUS_EVERY_MS : LINE_EVERY_MS;
    const read = async () => (isTerminal ? this.#forEyes() : this.#report());
    try {
      await Promise.race([
        watchTable(read, { everyMs, signal: leaving, draws: isTerminal }),
        ...(this.#options.flapEveryMs === null ? [] : [this.#flap(this.#options.flapEveryMs, leaving)]),
      ]);
    } catch (error) {
      if (!leaving.aborted) throw error;
    }
    signal.throwIfAborted();
  }

  async close(): Promise<void> {
    await paced(this.#machines, { perSecond: LEAVES_PER_SECOND }, (machine) => machine.leave());
  }

  status(): Status {
    const counts = { away: 0, online: 0, busy: 0, crashed: 0, ended: 0 };
    for (const { state } of this.#machines) counts[state] += 1;
    const now = performance.now();
    const changesPerSecond = ((this.#changes - this.#seen.changes) * 1000) / Math.max(1, now - this.#seen.at);
    this.#seen = { at: now, changes: this.#changes };
    return { total: this.#machines.length, ...counts, changesPerSecond, crashes: this.#crashes };
  }

  async #flap(everyMs: number, signal: AbortSignal): Promise<never> {
    for (;;) {
      await pause(everyMs, undefined, { signal });
      const candidates = this.#machines.filter(({ state }) => state === "online" || state === "busy");
      const unlucky = candidates[Math.floor(Math.random() * candidates.length)];
      if (!unlucky) continue;
      this.#crashes += 1;
      await unlucky.crash();
    }
  }

  #forEyes(): string {
    const { colors } = this.#options.output;
    const { total, online, busy, away, crashed, ended, changesPerSecond } = this.status();
    return [
      `${colors.green(`${online + busy} of ${total} online`)}`,
      colors.yellow(`${busy} busy`),
      ...(away > 0 ? [colors.red(`${away} away`)] : []),
      ...(crashed > 0 ? [`${crashed} crashed`] : []),
      ...(ended > 0 ? [colors.red(`${ended} refused permanently`)] : []),
      colors.dim(`${rateText(changesPerSecond)} changes/s`),
      colors.dim("Ctrl-C to stop"),
    ].join("   ");
  }

  #report(): string {
    const status = this.status();
    this.#options.output.record(status, () =>
      Object.entries(status)
        .map(([name, value]) => `${name}=${rounded(value)}`)
        .join("\t"),
    );
    return "";
  }
}

const rounded = (value: number): number => Math.round(value * 100) / 100;
