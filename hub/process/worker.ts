import cluster from "node:cluster";
import type { Measures } from "../http/metrics.ts";
import { HubError } from "../kernel/errors.ts";
import type { Logger } from "../kernel/log.ts";
import type { Announcement, Order, Report, Start } from "./messages.ts";
import { DEFAULT_SLACK_MS } from "./supervisor.ts";
import { endOnUncaughtException } from "./uncaught.ts";
import { Waiters } from "./waiters.ts";

/** A served node, as the supervisor needs it. */
export interface Served {
  serving: Announcement;
  /** Resolves when it is ready. */
  ready(): Promise<void>;
  measure(): Promise<Measures>;
  /** Resolves with the reason if it must end and be started again. */
  lost: Promise<string>;
  /** Drains its clients and closes. `handOver`: it accepts no connection any more, because other processes serve the port. */
  drain(options: { handOver: boolean }): Promise<void>;
  /** Ends its connections and closes, without a drain. */
  close(): Promise<void>;
}

export interface WorkerOptions {
  /** `metrics` requests the metrics of all processes. */
  serve(start: Start, metrics: () => Promise<string>): Promise<Served>;
  /** How long a drain may take. */
  drainMs: number;
  slackMs?: number;
  log: Logger;
}

const METRICS_LIMIT_MS = 5_000;

/**
 * A hub process under a supervisor, which alone decides when it ends. If the supervisor dies, the process drains and ends.
 * Throws if it can't serve.
 */
export async function runWorker(options: WorkerOptions): Promise<void> {
  const { log } = options;
  const metrics = new Waiters<string>(METRICS_LIMIT_MS);
  // Ctrl-C and service managers signal every process; the supervisor turns the signals into one order.
  for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const) process.on(signal, () => undefined);
  let served: Served | null = null;
  let ending = false;
  const end = (handOver: boolean, exitCode = 0) => {
    if (ending) return;
    ending = true;
    endServed(served, { handOver, exitCode }, options);
  };
  const close = () => {
    // Before `end`, which would begin a drain, and then only waits for this and reports a failure.
    served?.close().catch(() => undefined);
    end(false);
  };
  const start = await new Promise<Start>((resolve) => {
    process.on("message", (order: Order) => {
      if (order.kind === "start") resolve(order.start);
      else if (order.kind === "drain") end(order.handOver);
      else if (order.kind === "close") close();
      else if (order.kind === "metrics") metrics.answer(order.text);
      else void served?.measure().then((measures) => report({ kind: "measured", measures }));
    });
    cluster.worker?.on("disconnect", () => {
      log.error("the supervisor has ended: draining");
      // Otherwise Node would end the process immediately.
      if (cluster.worker) cluster.worker.exitedAfterDisconnect = true;
      end(false);
    });
    report({ kind: "loaded" });
  });
  endOnUncaughtException(log, async () => served?.close());
  served = await options.serve(start, () => askForMetrics(metrics));
  // The supervisor treats it as a crash, and starts another process.
  void served.lost.then(() => end(false, 1));
  await served.ready();
  report({ kind: "ready", serving: served.serving });
}

/** A process without clients ends immediately. */
function endServed(
  served: Served | null,
  { handOver, exitCode }: { handOver: boolean; exitCode: number },
  { drainMs, slackMs, log }: WorkerOptions,
): void {
  if (!served) process.exit(0);
  // The supervisor has the same time limit, but may have ended.
  setTimeout(() => process.exit(1), drainMs + (slackMs ?? DEFAULT_SLACK_MS)).unref();
  served.drain({ handOver }).then(
    () => process.exit(process.exitCode ?? exitCode),
    (error: unknown) => {
      log.fatal({ err: error }, "the hub process could not stop cleanly");
      process.exit(1);
    },
  );
}

async function askForMetrics(waiters: Waiters<string>): Promise<string> {
  const text = await waiters.ask(() => report({ kind: "metrics" }));
  if (text === null) throw new HubError("unavailable", "The supervisor does not answer. Try again shortly.");
  return text;
}

function report(what: Report): void {
  // If the supervisor has ended, there is no receiver.
  if (process.connected) process.send?.(what, undefined, undefined, () => undefined);
}
