import type { WorkstationPresence } from "../presence/presence.ts";
import {
  type AbsentWorkstation,
  absentColumns,
  type PresenceColumns,
  type PresenceKind,
  presenceColumns,
} from "./presence-row.ts";
import { absentStep, joinSteps, type PresenceStep, stepOf } from "./presence-steps.ts";

/** What waits to be written for one workstation: its newest state, and the transitions on the way to it. */
export interface PendingRow {
  columns: PresenceColumns;
  /** Null where only the absence is known. */
  presence: WorkstationPresence | null;
  steps: readonly PresenceStep[];
  /** Milliseconds since 1970: `last_seen_at` moves to it; null leaves it, because it is indexed. */
  seenAt: number | null;
}

/**
 * The newest state of each workstation that the database doesn't have yet. Bounded by the number of workstations,
 * however long the database is away. Synchronous; `take` moves rows into flight, and each must be settled by
 * `written`, `refused`, `dropped` or `putBack`.
 */
export class PresenceBacklog {
  readonly #pending = new Map<string, PendingRow>();
  readonly #inFlight = new Map<string, PendingRow>();
  /** The newest kind of every present workstation, to tell a transition from a mere update. */
  readonly #kinds = new Map<string, PresenceKind>();

  get size(): number {
    return this.#pending.size + this.#inFlight.size;
  }

  get waiting(): number {
    return this.#pending.size;
  }

  /** `beat`: a sign of life that is to move `last_seen_at`. An older revision than the newest known is forgotten. */
  put(presence: WorkstationPresence, beat: boolean): void {
    const id = presence.workstationId;
    const known = this.#pending.get(id) ?? this.#inFlight.get(id);
    if (known && known.columns.revision >= presence.revision) return;
    const step = stepOf(presence, this.#kinds.get(id) ?? null);
    const row = { columns: presenceColumns(presence), presence, steps: [step], seenAt: seenAt(step, presence, beat) };
    this.#kinds.set(id, step.kind);
    this.#pending.set(id, merge(this.#pending.get(id), row));
  }

  /** A no-op while a state of this workstation is on its way: that one knows more. */
  putAbsent(absent: AbsentWorkstation): void {
    const id = absent.workstationId;
    if (this.#pending.has(id) || this.#inFlight.has(id)) return;
    this.#pending.set(id, {
      columns: absentColumns(absent),
      presence: null,
      steps: [absentStep(absent)],
      seenAt: null,
    });
  }

  take(limit: number): PendingRow[] {
    const rows: PendingRow[] = [];
    for (const [id, row] of this.#pending) {
      if (rows.length === limit) break;
      rows.push(row);
      this.#pending.delete(id);
      this.#inFlight.set(id, row);
    }
    return rows;
  }

  /** The row has it, or no row is there to have it. */
  written({ columns: { id }, presence }: PendingRow): void {
    this.#inFlight.delete(id);
    // Only the present are remembered, or every workstation that ever came would be.
    if (presence?.state === "absent" && !this.#pending.has(id)) this.#kinds.delete(id);
  }

  /** The row didn't take it: what it says is unknown, so the next state is compared with the row itself. */
  dropped({ columns: { id } }: PendingRow): void {
    this.#inFlight.delete(id);
    if (!this.#pending.has(id)) this.#kinds.delete(id);
  }

  /** Nothing was written: the row waits again, under whatever came meanwhile. */
  putBack(row: PendingRow): void {
    const id = row.columns.id;
    this.#inFlight.delete(id);
    const newer = this.#pending.get(id);
    this.#pending.set(id, newer ? merge(row, newer) : row);
  }
}

function merge(earlier: PendingRow | undefined, newer: PendingRow): PendingRow {
  if (!earlier) return newer;
  return {
    ...newer,
    columns: { ...newer.columns, heartbeat_at: newer.columns.heartbeat_at ?? earlier.columns.heartbeat_at },
    steps: joinSteps(earlier.steps, newer.steps),
    seenAt: newer.seenAt ?? earlier.seenAt,
  };
}

/** A workstation is seen when it comes, when it is lost, and when it says goodbye; not when its absence is noticed. */
function seenAt(step: PresenceStep, { state, reason, at }: WorkstationPresence, beat: boolean): number | null {
  const itself = state !== "absent" || reason === "left";
  return (beat && state === "live") || (itself && step.before !== step.kind) ? at : null;
}
