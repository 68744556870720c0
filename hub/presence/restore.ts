import { setTimeout as pause } from "node:timers/promises";
import type { Logger } from "../kernel/log.ts";
import type { PresentRow } from "./presence.ts";

export interface RestoreOptions {
  /** Rows that say online, in the order of their ids, those after `afterId`. */
  presentAfter(afterId: string, limit: number): Promise<PresentRow[]>;
  restore(rows: readonly PresentRow[]): Promise<void>;
  /** Whether the hub is about to end. */
  isOver(): boolean;
  log: Logger;
}

const BATCH = 1_000;
const RETRY_MS = 500;

/** One row that can't be restored must not keep the others offline. */
async function restoreOne(row: PresentRow, { restore, log }: RestoreOptions): Promise<void> {
  try {
    await restore([row]);
  } catch (error) {
    log.error({ err: error, workstationId: row.workstationId }, "a workstation's presence can't be restored");
  }
}

/** Registers the workstations that the previous hub left online, however long the database takes: rosters without them would be wrong. */
export async function restorePresence(options: RestoreOptions): Promise<void> {
  let after = "";
  let rows: PresentRow[] = [];
  do {
    try {
      rows = await options.presentAfter(after, BATCH);
    } catch (error) {
      options.log.warn({ err: error }, "presence could not be read from the database; tried again");
      await pause(RETRY_MS, undefined, { ref: false });
      continue;
    }
    for (const row of rows) await restoreOne(row, options);
    after = rows.at(-1)?.workstationId ?? after;
    if (rows.length < BATCH) return;
  } while (!options.isOver());
}
