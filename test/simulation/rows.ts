import { HubError } from "../../hub/kernel/errors.ts";
import type { WorkstationPresence } from "../../hub/presence/presence.ts";
import type { ReconciledRows, ReconciledSink } from "../../hub/presence/reconciler.ts";
import type { Life, Scheduler } from "./scheduler.ts";

export interface Row {
  generation: number;
  revision: number;
  online: boolean;
  connectionId: string | null;
}

export interface RowChange extends Row {
  workstationId: string;
}

/** The workstations' rows, which take only newer states. */
export class SimulatedRows {
  readonly rows = new Map<string, Row>();
  awayUntil = 0;
  #drawn = 0;
  readonly #scheduler: Scheduler;
  readonly #onWritten: (change: RowChange, before: Row) => void;

  constructor(
    scheduler: Scheduler,
    workstationIds: readonly string[],
    onWritten: (change: RowChange, before: Row) => void,
  ) {
    this.#scheduler = scheduler;
    this.#onWritten = onWritten;
    for (const id of workstationIds)
      this.rows.set(id, { generation: 0, revision: 0, online: false, connectionId: null });
  }

  /** The sequence of generations. */
  async drawGeneration(): Promise<number> {
    await this.#query();
    this.#drawn += 1;
    return this.#drawn;
  }

  /** Another store was used meanwhile, whose generations come from the same sequence. */
  writtenElsewhere(): void {
    this.#drawn += 1;
    for (const row of this.rows.values()) row.generation = this.#drawn;
  }

  /** The row that refuses the change, or null. */
  write(change: RowChange): Row | null {
    const row = this.rows.get(change.workstationId);
    if (!row) return null;
    if (!isNewer(row, change)) return row;
    const { workstationId, ...next } = change;
    this.rows.set(workstationId, next);
    this.#onWritten(change, row);
    return null;
  }

  /** As one node reads them. */
  of(): ReconciledRows {
    return {
      onlineAfter: async (afterId, limit) => {
        await this.#query();
        const ids = [...this.rows].filter(([id, { online }]) => online && id > afterId).map(([id]) => id);
        return ids.sort().slice(0, limit);
      },
      offlineAmong: async (ids) => {
        await this.#query();
        return ids.filter((id) => this.rows.get(id)?.online === false);
      },
    };
  }

  #query(): Promise<void> {
    return new Promise((resolve, reject) => {
      const ms = 1 + this.#scheduler.random(20);
      setTimeout(
        () =>
          this.awayUntil > this.#scheduler.now
            ? reject(new HubError("unavailable", "The database is away."))
            : resolve(),
        ms,
      );
    });
  }
}

/** One node's write-back: the newest state of each workstation, a while later. */
export class SimulatedWriter implements ReconciledSink {
  readonly #rows: SimulatedRows;
  readonly #scheduler: Scheduler;
  readonly #life: Life;
  readonly #onRefused: (workstationId: string, row: Row, presence: WorkstationPresence | null) => void;
  readonly #pending = new Map<string, { change: RowChange; presence: WorkstationPresence | null }>();

  constructor(
    rows: SimulatedRows,
    scheduler: Scheduler,
    life: Life,
    onRefused: (workstationId: string, row: Row, presence: WorkstationPresence | null) => void,
  ) {
    this.#rows = rows;
    this.#scheduler = scheduler;
    this.#life = life;
    this.#onRefused = onRefused;
  }

  write(presence: WorkstationPresence): void {
    const { workstationId, generation, revision, state, connectionId } = presence;
    const online = state !== "absent";
    this.#put({ workstationId, generation, revision, online, connectionId: online ? connectionId : null }, presence);
  }

  beat(presence: WorkstationPresence): void {
    this.write(presence);
  }

  writeAbsent({ workstationId, generation, revision }: Parameters<ReconciledSink["writeAbsent"]>[0]): void {
    if (this.#pending.has(workstationId)) return;
    this.#put({ workstationId, generation, revision, online: false, connectionId: null }, null);
  }

  #put(change: RowChange, presence: WorkstationPresence | null): void {
    const known = this.#pending.get(change.workstationId);
    if (known && !isNewer(known.change, change)) return;
    this.#pending.set(change.workstationId, { change, presence });
    if (!known) this.#later(change.workstationId);
  }

  #later(workstationId: string): void {
    const ms = 1 + (this.#scheduler.chance(0.1) ? this.#scheduler.random(8_000) : this.#scheduler.random(20));
    this.#scheduler.after(ms, () => this.#flush(workstationId), this.#life);
  }

  #flush(workstationId: string): void {
    const waiting = this.#pending.get(workstationId);
    if (!waiting) return;
    if (this.#rows.awayUntil > this.#scheduler.now) {
      this.#later(workstationId);
      return;
    }
    this.#pending.delete(workstationId);
    const row = this.#rows.write(waiting.change);
    if (row) this.#onRefused(workstationId, row, waiting.presence);
  }
}

export function isNewer(
  known: { generation: number; revision: number },
  other: { generation: number; revision: number },
): boolean {
  return other.generation === known.generation ? other.revision > known.revision : other.generation > known.generation;
}
