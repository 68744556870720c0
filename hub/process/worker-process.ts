import type { ChildProcess } from "node:child_process";
import type { Worker } from "node:cluster";
import type { Measures } from "../http/metrics.ts";
import type { Announcement, Order, Report, Start } from "./messages.ts";
import { Waiters } from "./waiters.ts";

/** How a process ended: both null if it could not be started. */
export interface Exit {
  code: number | null;
  signal: NodeJS.Signals | null;
}

export type WorkerState = "starting" | "serving" | "leaving" | "ended";

export interface WorkerProcessOptions {
  start: Start;
  /** How long it may take until it serves. */
  startLimitMs: number;
  /** How long it may take to end after an order to end. */
  endLimitMs: number;
  /** Called when it requests the metrics of all processes. */
  onMetricsAsked(): void;
}

const MEASURE_LIMIT_MS = 2_000;

/** One hub process, as its supervisor sees it. It is killed if it exceeds its time limits. */
export class WorkerProcess {
  readonly place: number;
  readonly startedAt = performance.now();
  /** The served address, once it is ready; null if it ended before. */
  readonly serving: Promise<Announcement | null>;
  readonly exited: Promise<Exit>;
  readonly #worker: Worker;
  readonly #options: WorkerProcessOptions;
  readonly #measured = new Waiters<Measures>(MEASURE_LIMIT_MS);
  #state: WorkerState = "starting";
  #hasServed = false;
  #stopOrdered = false;
  #limit: NodeJS.Timeout | undefined;

  constructor(worker: Worker, options: WorkerProcessOptions) {
    this.place = options.start.place;
    this.#worker = worker;
    this.#options = options;
    this.#killIn(options.startLimitMs);
    endHandedConnection(worker.process);
    this.exited = new Promise((resolve) => {
      worker.on("exit", (code, signal) => resolve({ code, signal: signal as NodeJS.Signals | null }));
      // This event also reports failures to send; a process that could not be started has no number.
      worker.on("error", () => worker.process.pid === undefined && resolve({ code: null, signal: null }));
    });
    this.serving = new Promise((resolve) => {
      worker.on("message", (report: Report) => this.#take(report, resolve));
      void this.exited.then(() => {
        this.#to("ended");
        this.#measured.answer(null);
        resolve(null);
      });
    });
  }

  get state(): WorkerState {
    return this.#state;
  }
  get pid(): number | undefined {
    return this.#worker.process.pid;
  }
  /** Whether it has ever been ready. */
  get hasServed(): boolean {
    return this.#hasServed;
  }
  /** Whether it was ordered to end. */
  get stopOrdered(): boolean {
    return this.#stopOrdered;
  }

  /** Drains its clients and ends it. `handOver`: other processes continue to serve the port, so it accepts no connection. */
  drain({ handOver }: { handOver: boolean }): void {
    if (this.#state === "leaving" || this.#state === "ended") return;
    this.#to("leaving");
    this.#stopOrdered = true;
    this.#killIn(this.#options.endLimitMs);
    this.#send({ kind: "drain", handOver });
  }

  /** Ends its connections and then the process, also in the middle of a drain. */
  close(): void {
    if (this.#state === "ended") return;
    this.#stopOrdered = true;
    this.#send({ kind: "close" });
  }

  kill(): void {
    this.#stopOrdered = true;
    this.#worker.process.kill("SIGKILL");
  }

  /** Null if it does not answer. */
  measure(): Promise<Measures | null> {
    return this.#measured.ask(() => this.#send({ kind: "measure" }));
  }

  tellMetrics(text: string): void {
    this.#send({ kind: "metrics", text });
  }

  #take(report: Report, onServing: (serving: Announcement) => void): void {
    switch (report.kind) {
      case "loaded":
        this.#send({ kind: "start", start: this.#options.start });
        break;
      case "ready":
        if (this.#state === "starting") this.#serve(report.serving, onServing);
        break;
      case "measured":
        this.#measured.answer(report.measures);
        break;
      case "metrics":
        this.#options.onMetricsAsked();
        break;
      default:
        report satisfies never;
    }
  }

  #serve(serving: Announcement, onServing: (serving: Announcement) => void): void {
    this.#to("serving");
    this.#hasServed = true;
    onServing(serving);
  }

  #to(state: WorkerState): void {
    clearTimeout(this.#limit);
    this.#state = state;
  }

  #killIn(limitMs: number): void {
    this.#limit = setTimeout(() => this.#worker.process.kill("SIGKILL"), limitMs);
  }

  #send(order: Order): void {
    // A process that is about to end accepts no messages any more; its exit reports that.
    if (this.#worker.isConnected()) this.#worker.send(order, () => undefined);
  }
}

/** A message by which node:cluster passes a connection to a process. The process gets no other before it has answered. */
interface Handing {
  act?: unknown;
  seq?: unknown;
}
interface Handle {
  close?(): void;
}

/**
 * Ends the connection that was passed to a process which died before it accepted it. node:cluster forgets it, so its client
 * would wait until the supervisor ends. This reads node:cluster's own messages, and does nothing if they change.
 */
function endHandedConnection(child: ChildProcess): void {
  let handed: { seq: unknown; handle: Handle } | null = null;
  const send = child.send;
  child.send = ((message: Handing, handle?: Handle, ...others: unknown[]) => {
    if (message.act === "newconn" && handle) handed = { seq: message.seq, handle };
    return Reflect.apply(send, child, [message, handle, ...others]);
  }) as typeof send;
  child.on("internalMessage", ({ ack }: { ack?: unknown }) => {
    if (handed?.seq === ack) handed = null;
  });
  child.once("exit", () => handed?.handle.close?.());
}
