import type { Logger } from "../kernel/log.ts";
import type { Supervisor } from "./supervisor.ts";

/** npm forwards signals that the terminal has sent to the whole process group: one Ctrl-C arrives twice. */
const ONE_SIGNAL_MS = 500;

/** SIGTERM and SIGINT drain, and end at once if they are repeated; SIGHUP replaces the processes one after the other. */
export function obeySignals(supervisor: Supervisor, log: Logger): void {
  let signalledAt: number | null = null;
  const end = (signal: NodeJS.Signals) => {
    if (signalledAt === null) {
      signalledAt = performance.now();
      log.info({ signal }, "draining");
      supervisor.stop();
    } else if (performance.now() - signalledAt > ONE_SIGNAL_MS) {
      log.warn({ signal }, "ending at once");
      supervisor.kill();
    }
  };
  process.on("SIGTERM", end);
  process.on("SIGINT", end);
  process.on("SIGHUP", () => supervisor.restart());
}
