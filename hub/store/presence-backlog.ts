import type { LeaveReason } from "@monster-realtime/client/protocol";
import type { WorkstationPresence } from "../presence/presence.ts";
import {
  type AbsentWorkstation,
  absentColumns,
  isNewer,
  kindOf,
  type PresenceColumns,
  type PresenceKind,
  type PresenceOrder,
  presenceColumns,
} from "./presence-row.ts";

/** One state of a workstation, as the audit trail records it. */
export interface PresenceStep extends PresenceOrder {
  kind: PresenceKind;
  /** The previous state; null if this hub doesn't know it and the row decides. */
  before: PresenceKind | null;
  reason: LeaveReason | null;
  node_id: string;
  connection_id: string | null;
  at: number;
}

/** The limit of a list of steps: a flapping workstation must not grow it without end while the database is unavailable. */
export const MAX_STEPS = 16;

/** The pending write of one workstation: its newest state, and the transitions that led to it. */
export interface PendingRow {
  columns: PresenceColumns;
  /** Null if only the absence is known. */
  presence: WorkstationPresence | null;
  steps: readonly PresenceStep[];
  /** Milliseconds since 1970 for `last_seen_at`; null leaves the column unchanged, because it is indexed. */
  seenAt: number | null;
}

/**
 * The newest state of each workstation that the database does not have yet. Bounded by the number of workstations,
 * however long the database is unavailable. Synchronous; `take` moves rows into flight, and each must be settled by
 * `written`, `refused`, `dropped` or `putBack`.
 */
export class PresenceBacklog {
  readonly #pending = new Map<string, PendingRow>();
  readonly #inFlight = new Map<string, PendingRow>();
  /** The newest kind of every present workstation, to distinguish a transition from an update. */
  readonly #kinds = new Map<string, PresenceKind>();

  get size(): number {
    return this.#pending.size + this.#inFlight.size;
  }

  get waiting(): number {
    return this.#pending.size;
  }

  /** `beat`: a sign of life that moves `last_seen_at`. A state that is not newer than the newest known one is ignored. */
  put(presence: WorkstationPresence, beat: boolean): void {
    const id = presence.workstationId;
    const known = this.#pending.get(id) ?? this.#inFlight.get(id);
    if (known && !isNewer(presence, known.columns)) return;
    const step = stepOf(presence, this.#kinds.get(id) ?? null);
    const row = { columns: presenceColumns(presence), presence, steps: [step], seenAt: seenAt(step, presence, beat) };
    this.#kinds.set(id, step.kind);
    this.#pending.set(id, merge(this.#pending.get(id), row));
  }

  /** A no-op while a state of this workstation is pending or in flight: that state is more complete. */
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

  /** The row was written, or does not exist. */
  written({ columns: { id }, presence }: PendingRow): void {
    this.#inFlight.delete(id);
    // Only present workstations are kept, or the map would grow with every workstation ever seen.
    if (presence?.state === "absent" && !this.#pending.has(id)) this.#kinds.delete(id);
  }

  /** The row rejected it. Its content is unknown, so the next state is compared with the row itself. */
  dropped({ columns: { id } }: PendingRow): void {
    this.#inFlight.delete(id);
    if (!this.#pending.has(id)) this.#kinds.delete(id);
  }

  /** Nothing was written: the row waits again, merged with newer states. */
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

/** A workstation is seen when it joins, when its connection is lost, and when it leaves; not when its absence is detected. */
function seenAt(step: PresenceStep, { state, reason, at }: WorkstationPresence, beat: boolean): number | null {
  const itself = state !== "absent" || reason === "left";
  return (beat && state === "live") || (itself && step.before !== step.kind) ? at : null;
}

function stepOf(presence: WorkstationPresence, before: PresenceKind | null): PresenceStep {
  const { reason, nodeId, connectionId, generation, revision, at } = presence;
  const source = { node_id: nodeId, connection_id: connectionId };
  return { kind: kindOf(presence), before, reason, ...source, generation, revision, at };
}

export function absentStep({ nodeId, generation, revision, at }: AbsentWorkstation): PresenceStep {
  const source = { node_id: nodeId, connection_id: null };
  return { kind: "offline", before: null, reason: "node_lost", ...source, generation, revision, at };
}

/**
 * Joins both in order, without steps that are no transition (`before` equals `kind`). If no other remains, the last one
 * stays, to be compared with the row. Beyond `MAX_STEPS` the oldest are dropped.
 */
export function joinSteps(earlier: readonly PresenceStep[], later: readonly PresenceStep[]): PresenceStep[] {
  const all = [...earlier, ...later];
  const transitions = all.filter((step) => step.before !== step.kind);
  return (transitions.length > 0 ? transitions : all.slice(-1)).slice(-MAX_STEPS);
}
