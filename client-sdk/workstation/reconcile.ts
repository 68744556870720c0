import type { Assignment } from "../protocol/index.ts";

/** The steps that make the local work match the hub's assignments. */
export interface Reconciliation {
  /** Assignments that were never started. */
  take: Assignment[];
  /** Started, but not by this run of the program. */
  resume: Assignment[];
  /** Ids of local work that the hub no longer assigns. */
  drop: string[];
}

export interface OwnWork {
  /** Ids of local work before the request. The reply can't include assignments that arrived later. */
  before: ReadonlySet<string>;
  /** Whether the id is in local work, has ended here, or has a pending result. */
  isKnown(id: string): boolean;
}

/** Compares the assignments that the hub holds for this workstation with its local work. */
export function reconcile(held: readonly Assignment[], { before, isKnown }: OwnWork): Reconciliation {
  const heldIds = new Set(held.map(({ id }) => id));
  const unknown = held.filter(({ id }) => !isKnown(id));
  return {
    take: unknown.filter(({ status }) => status === "starting"),
    resume: unknown.filter(({ status }) => status !== "starting"),
    drop: [...before].filter((id) => !heldIds.has(id)),
  };
}
