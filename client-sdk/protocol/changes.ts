/**
 * The payload of `<entity>:created|updated|deleted`: a committed change of a row. Every change is published once on
 * each channel that it concerns, including changes made by SQL. Changes of one row are published in the order of their
 * commits.
 */
export interface EntityChange<Row extends object = Record<string, unknown>> {
  id: string;
  organizationId: string | null;
  projectId: string | null;
  /** The changed fields with their new values: all fields of a created row, none of a deleted one. */
  changed: Partial<Row>;
  /** Changed fields whose values are larger than 8 KiB: read them by RPC. */
  omitted: string[];
}

/**
 * The payload of `change:left_out`: a committed change of this row could not be published. Read the row again by RPC.
 * Its later changes are published as usual.
 */
export interface ChangeLeftOut {
  id: string;
  organizationId: string | null;
  projectId: string | null;
  /** The entity's name in publication types: `task`, `agent_session`, … */
  entity: string;
  operation: "created" | "updated" | "deleted" | "reordered";
}
