import type { Assignment } from "../protocol/index.ts";

/** What to do so that the work here is what the hub says. */
export interface Reconciliation {
  /** Assignments that nobody has begun. */
  take: Assignment[];
  /** Started, but not by this run of the program. */
  resume: Assignment[];
  /** Ids of what is worked on here and held no more. */
  drop: string[];
}

export interface OwnWork {
  /** Ids in hand before the hub was asked: what came meanwhile, its answer can't know. */
  before: ReadonlySet<string>;
  /** Whether the id is in hand, came to its end here, or has a result on the way. */
  isKnown(id: string): boolean;
}

/** Compares what the hub says this workstation holds with what it has in hand. */
export function reconcile(held: readonly Assignment[], { before, isKnown }: OwnWork): Reconciliation {
  const heldIds = new Set(held.map(({ id }) => id));
  const unknown = held.filter(({ id }) => !isKnown(id));
  return {
    take: unknown.filter(({ status }) => status === "starting"),
    resume: unknown.filter(({ status }) => status !== "starting"),
    drop: [...before].filter((id) => !heldIds.has(id)),
  };
}
