import cluster from "node:cluster";
import type { MetricsText } from "../http/metrics-endpoint.ts";
import type { Logger } from "../kernel/log.ts";
import type { ConnectionOptions } from "../store/database.ts";
import type { Announcement } from "./messages.ts";
import { SupervisorMetrics } from "./metrics.ts";
import { type Exit, WorkerProcess } from "./worker-process.ts";

export interface SupervisorOptions {
  processes: number;
  /** How long a drain may take. */
  drainMs: number;
  /** How much longer than that a process may take to end before it is killed. */
  slackMs?: number;
  startLimitMs?: number;
  /** The embedded database that the processes share; null: the configuration's. */
  database: ConnectionOptions | null;
  log: Logger;
  /** Called when the first process serves. */
  onServing(serving: Announcement): void;
}

/** The time of a process after its drain: to write back pending data and close connections. */
export const DEFAULT_SLACK_MS = 10_000;
export const DEFAULT_START_LIMIT_MS = 60_000;
const FIRST_DELAY_MS = 1_000;
const LAST_DELAY_MS = 30_000;

/** How long a place waits for its next process, given that the last one was started `ranMs` ago. */
export function restartDelayMs({ failures, ranMs }: { failures: number; ranMs: number }): number {
  const apartMs = Math.min(FIRST_DELAY_MS * 2 ** Math.max(0, failures - 1), LAST_DELAY_MS);
  return Math.max(0, apartMs - ranMs);
}

/** The place of one of the processes. */
interface Place {
  readonly number: number;
  process: WorkerProcess | null;
  /** The starting process that will take the place. */
  replacement: WorkerProcess | null;
  /** How many starts in a row failed. */
  failures: number;
  restart: NodeJS.Timeout | undefined;
}

/**
 * Keeps a number of hub processes serving one port. The first starts alone, so that an error common to all is reported once.
 * A crashed process is started again, at least a second after its last start. The supervisor ends if no process serves and
 * each place's last start failed.
 */
export class Supervisor {
  readonly #options: SupervisorOptions;
  readonly #log: Logger;
  readonly #places: readonly Place[];
  readonly #processes = new Set<WorkerProcess>();
  readonly #metrics: SupervisorMetrics;
  readonly #finished: Promise<number>;
  #finish: (exitCode: number) => void = () => undefined;
  #hasServed = false;
  #ending = false;
  #exitCode = 0;
  #restartWanted = false;
  #rolling: Promise<void> | null = null;

  constructor(options: SupervisorOptions) {
    this.#options = options;
    this.#log = options.log;
    this.#places = Array.from({ length: options.processes }, (_, index) => ({
      number: index + 1,
      process: null,
      replacement: null,
      failures: 0,
      restart: undefined,
    }));
    this.#metrics = new SupervisorMetrics(() => this.#serving);
    this.#finished = new Promise((resolve) => {
      this.#finish = resolve;
    });
  }

  /** Starts the processes. Resolves with the exit code when none is left: 0 if all were stopped, and stopped cleanly. */
  async run(): Promise<number> {
    const [first, ...others] = this.#places;
    const serving = first ? await this.#launch(first)?.serving : null;
    if (serving) {
      this.#hasServed = true;
      this.#options.onServing(serving);
      if (!this.#ending) for (const place of others) this.#launch(place);
    }
    return this.#finished;
  }

  /** Drains all processes together, and starts no further one. */
  stop(): void {
    this.#end();
    for (const process of this.#processes) process.drain({ handOver: false });
    this.#finishIfNoneIsLeft();
  }

  /** Ends all connections and processes without a drain. What is pending is written. */
  close(): void {
    this.#end();
    for (const process of this.#processes) process.close();
    this.#finishIfNoneIsLeft();
  }

  /** Ends all processes immediately: connections are cut, and pending writes are lost. */
  kill(): void {
    this.#end();
    this.#exitCode = 1;
    for (const process of this.#processes) process.kill();
    this.#finishIfNoneIsLeft();
  }

  /**
   * Replaces the processes one after the other: each is drained once its replacement is ready, and the next follows when it
   * has ended. If a replacement fails to start, the others stay. A call during a restart starts another one afterwards,
   * because the program may have changed since.
   */
  restart(): void {
    this.#restartWanted = true;
    this.#rolling ??= this.#roll().finally(() => {
      this.#rolling = null;
    });
  }

  /** The metrics of all processes and the supervisor's own. */
  get metrics(): MetricsText {
    return { contentType: this.#metrics.contentType, text: () => this.#metricsText() };
  }

  get #serving(): number {
    return [...this.#processes].filter(({ state }) => state === "serving").length;
  }

  #launch(place: Place): WorkerProcess | null {
    if (this.#ending) return null;
    const process = this.#fork(place);
    place.process = process;
    void process.serving.then((serving) => {
      if (serving) place.failures = 0;
    });
    return process;
  }

  #fork(place: Place): WorkerProcess {
    const { database, drainMs, slackMs = DEFAULT_SLACK_MS, startLimitMs = DEFAULT_START_LIMIT_MS } = this.#options;
    const process: WorkerProcess = new WorkerProcess(cluster.fork(), {
      start: { place: place.number, database },
      startLimitMs,
      endLimitMs: drainMs + slackMs,
      onMetricsAsked: () => void this.#tellMetrics(process),
    });
    this.#processes.add(process);
    void process.exited.then((exit) => this.#ended(place, process, exit));
    return process;
  }

  #ended(place: Place, process: WorkerProcess, { code, signal }: Exit): void {
    this.#processes.delete(process);
    const how = { process: place.number, pid: process.pid, code, signal };
    if (!process.stopOrdered) {
      const what = process.hasServed ? "a hub process ended unexpectedly" : "a hub process failed to start";
      this.#log.error(how, what);
      this.#metrics.crashed();
    } else if (code !== 0) this.#log.error(how, "a hub process did not stop cleanly");
    if (this.#ending) {
      if (code !== 0) this.#exitCode = 1;
      this.#finishIfNoneIsLeft();
      return;
    }
    if (place.process !== process) return;
    place.process = null;
    if (!process.hasServed) place.failures += 1;
    if (this.#isHopeless()) this.#giveUp();
    else if (!place.replacement) this.#launchLater(place, performance.now() - process.startedAt);
  }

  #launchLater(place: Place, ranMs: number): void {
    place.restart = setTimeout(() => this.#launch(place), restartDelayMs({ failures: place.failures, ranMs }));
  }

  #isHopeless(): boolean {
    if (!this.#hasServed) return true;
    return this.#serving === 0 && this.#places.every(({ failures }) => failures > 0);
  }

  #giveUp(): void {
    this.#log.fatal("no hub process starts: the supervisor ends");
    this.kill();
  }

  async #roll(): Promise<void> {
    while (this.#restartWanted && !this.#ending) {
      this.#restartWanted = false;
      this.#log.info("restarting the hub processes one after the other");
      for (const place of this.#places) {
        if (this.#ending || !(await this.#replace(place))) break;
      }
    }
  }

  /** False if the replacement failed to start. */
  async #replace(place: Place): Promise<boolean> {
    const old = place.process;
    // It crashed, and is about to be started again anyway.
    if (!old) return true;
    const fresh = this.#fork(place);
    place.replacement = fresh;
    const serving = await fresh.serving;
    place.replacement = null;
    if (this.#ending) return false;
    if (serving) {
      place.process = fresh;
      place.failures = 0;
      old.drain({ handOver: true });
      await old.exited;
      return true;
    }
    this.#log.error({ process: place.number }, "a replacement failed to start: the other processes stay");
    if (!place.process) this.#launchLater(place, 0);
    return false;
  }

  async #tellMetrics(asking: WorkerProcess): Promise<void> {
    asking.tellMetrics(await this.metrics.text());
  }

  async #metricsText(): Promise<string> {
    const processes = [...this.#processes].filter(({ state }) => state !== "starting");
    const measured = await Promise.all(
      processes.map(async (process) => {
        const name = process.state === "leaving" ? `${process.place}-leaving` : String(process.place);
        return { name, measures: await process.measure() };
      }),
    );
    const answered = measured.flatMap(({ name, measures }) => (measures ? [{ name, measures }] : []));
    return this.#metrics.text(answered);
  }

  #end(): void {
    this.#ending = true;
    for (const { restart } of this.#places) clearTimeout(restart);
  }

  #finishIfNoneIsLeft(): void {
    if (this.#processes.size === 0) this.#finish(this.#exitCode);
  }
}
