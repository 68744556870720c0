import type { LeaveReason } from "@monster-realtime/client/protocol";
import type { WorkstationPresence } from "../presence/presence.ts";
import { type AbsentWorkstation, kindOf, type PresenceKind } from "./presence-row.ts";

/** One state that a workstation went through, as the audit trail tells it. */
export interface PresenceStep {
  kind: PresenceKind;
  /** The state before; null where this hub doesn't know it and the row has to say. */
  before: PresenceKind | null;
  reason: LeaveReason | null;
  node_id: string;
  connection_id: string | null;
  revision: number;
  at: number;
}

/** A database that stays away for days must not make a flapping workstation's list grow without end. */
export const MAX_STEPS = 16;

export function stepOf(presence: WorkstationPresence, before: PresenceKind | null): PresenceStep {
  const { reason, nodeId, connectionId, revision, at } = presence;
  return { kind: kindOf(presence), before, reason, node_id: nodeId, connection_id: connectionId, revision, at };
}

export function absentStep({ nodeId, revision, at }: AbsentWorkstation): PresenceStep {
  return { kind: "offline", before: null, reason: "node_lost", node_id: nodeId, connection_id: null, revision, at };
}

/**
 * Both in order, with what is no transition (`before` equals `kind`) left out; where nothing else remains the last stays,
 * for the row to be compared with. Beyond `MAX_STEPS` the oldest are forgotten.
 */
export function joinSteps(earlier: readonly PresenceStep[], later: readonly PresenceStep[]): PresenceStep[] {
  const all = [...earlier, ...later];
  const transitions = all.filter((step) => step.before !== step.kind);
  return (transitions.length > 0 ? transitions : all.slice(-1)).slice(-MAX_STEPS);
}
