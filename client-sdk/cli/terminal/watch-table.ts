import { setTimeout as pause } from "node:timers/promises";
import { LiveArea } from "./live-area.ts";

interface WatchOptions {
  everyMs: number;
  signal: AbortSignal;
  /** False: `read` prints by itself, and its result is not drawn. */
  draws?: boolean;
}

/** Calls `read` repeatedly and redraws its newest result in place. Rejects when a call fails or `signal` is aborted. */
export async function watchTable(
  read: () => Promise<string>,
  { everyMs, signal, draws = true }: WatchOptions,
): Promise<never> {
  let text = await read();
  const area = draws ? new LiveArea(async () => text) : null;
  try {
    for (;;) {
      area?.changed();
      await pause(everyMs, undefined, { signal });
      text = await read();
    }
  } finally {
    await area?.close();
  }
}
