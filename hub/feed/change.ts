/** The owners of a row, stored with each of its changes. */
export interface ChangeScope {
  organizationId: string | null;
  projectId: string | null;
  taskId: string | null;
  workstationId: string | null;
  userId: string | null;
}

/** A committed change that may give or take rights. */
export interface RightsChange extends ChangeScope {
  /** The table. */
  entity: string;
  rowId: string;
  /** Whether the row is, or was, an invitation. */
  invites: boolean;
  /** The canonical address that it invites; null if it invites a user's id, or is no invitation. */
  invitedAddress: string | null;
}

/** A committed change as the audit trail stores it, with the names and values of the database. */
export interface Change extends ChangeScope {
  /** The audit event's, a number in decimal digits. */
  id: string;
  /**
   * The event's time in milliseconds since 1970 and a random number, which a dump preserves. A database restored to an
   * earlier state assigns `id` again to another event, whose stamp differs.
   */
  stamp: string;
  /** `user:<id>`, `workstation:<id>`, `service:<name>` or `db:<role>`. */
  principal: string;
  entity: string;
  rowId: string;
  operation: "created" | "updated" | "deleted" | "reordered";
  /** The project that an updated row left; null if it left none. */
  formerProjectId: string | null;
  /** The columns that changed, or the whole row that was created; without values that the audit trail omits. */
  after: Record<string, unknown> | null;
  /** Columns whose new values the audit trail omits, because they are too large. */
  omitted: string[];
  /** The row of a deleted session. */
  removed: Record<string, unknown> | null;
  /** The projects that a workstation is attached to. */
  attachedTo: string[];
}

/** A publication that a change causes besides its own. */
export interface FurtherPublication {
  channel: string;
  type: string;
  payload: unknown;
}

/** By the id of the causing change. */
export type FurtherPublications = ReadonlyMap<string, FurtherPublication>;

/** A change that waits to be published, and its queue: changes of one queue are settled in their order. */
export interface PendingChange {
  queue: string;
  id: string;
  /** Null: its event was purged, so there is nothing to publish. */
  change: Change | null;
  /** Why the change can't be read; null: it can. */
  unreadable: string | null;
}

/** The changes of one round: the first ones of each queue. */
export interface Claim {
  pending: readonly PendingChange[];
  further: FurtherPublications;
  /** Whether more may wait behind them. */
  more: boolean;
}

/** A change that is set aside: it was rejected because of its content, so a retry would fail too. */
export interface Refusal {
  id: string;
  code: string;
  reason: string;
}

/** The outcome of one change. `failed`: it is retried, and later changes of its row wait for it. */
export type Outcome =
  | { kind: "published" }
  | { kind: "refused"; code: string; reason: string }
  | { kind: "failed"; error: unknown };

/** The result of a round: for each queue the last change that need not be published again, and the rejected changes up to it. */
export interface Settlement {
  through: ReadonlyMap<string, string>;
  refused: readonly Refusal[];
}
