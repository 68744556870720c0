import type { LeaveReason } from "@monster-realtime/client/protocol";
import type { WorkstationPresence } from "../presence/presence.ts";
import { type AbsentWorkstation, kindOf, type PresenceKind } from "./presence-row.ts";

/** One state of a workstation, as the audit trail records it. */
export interface PresenceStep {
  kind: PresenceKind;
  /** The previous state; null if this hub doesn't know it and the row decides. */
  before: PresenceKind | null;
  reason: LeaveReason | null;
  node_id: string;
  connection_id: string | null;
  revision: number;
  at: number;
}

/** The limit of a list of steps: a flapping workstation must not grow it without end while the database is unavailable. */
export const MAX_STEPS = 16;

export function stepOf(presence: WorkstationPresence, before: PresenceKind | null): PresenceStep {
  const { reason, nodeId, connectionId, revision, at } = presence;
  return { kind: kindOf(presence), before, reason, node_id: nodeId, connection_id: connectionId, revision, at };
}

export function absentStep({ nodeId, revision, at }: AbsentWorkstation): PresenceStep {
  return { kind: "offline", before: null, reason: "node_lost", node_id: nodeId, connection_id: null, revision, at };
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
