import type { Logger } from "../log.ts";
import type { Supervisor } from "./supervisor.ts";

/** npm hands on what the terminal has sent to everybody: one Ctrl-C comes twice at once. */
const ONE_SIGNAL_MS = 500;

/** SIGTERM and SIGINT drain, and end at once when they come again; SIGHUP replaces the processes one after the other. */
export function obeySignals(supervisor: Supervisor, log: Logger): void {
  let toldAt: number | null = null;
  const end = (signal: NodeJS.Signals) => {
    if (toldAt === null) {
      toldAt = performance.now();
      log.info({ signal }, "draining");
      supervisor.stop();
    } else if (performance.now() - toldAt > ONE_SIGNAL_MS) {
      log.warn({ signal }, "ending at once");
      supervisor.kill();
    }
  };
  process.on("SIGTERM", end);
  process.on("SIGINT", end);
  process.on("SIGHUP", () => supervisor.restart());
}
