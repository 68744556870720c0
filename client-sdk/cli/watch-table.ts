import { setTimeout as pause } from "node:timers/promises";
import { LiveArea } from "./live-area.ts";

interface WatchOptions {
  everyMs: number;
  signal: AbortSignal;
  /** False: `look` prints for itself, and what it gives is not shown. */
  draws?: boolean;
}

/** Looks again and again, and shows the newest look where the one before stood. Rejects when a look fails or `signal` is aborted. */
export async function watchTable(
  look: () => Promise<string>,
  { everyMs, signal, draws = true }: WatchOptions,
): Promise<never> {
  let text = await look();
  const area = draws ? new LiveArea(async () => text) : null;
  try {
    for (;;) {
      area?.changed();
      await pause(everyMs, undefined, { signal });
      text = await look();
    }
  } finally {
    await area?.close();
  }
}
