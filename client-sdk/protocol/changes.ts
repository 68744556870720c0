/**
 * The payload of `<entity>:created|updated|deleted`: what a committed change did to a row. Every change is published once
 * on each channel it concerns, whoever made it; changes of one row in the order of their commits.
 */
export interface EntityChange<Row extends object = Record<string, unknown>> {
  id: string;
  organizationId: string | null;
  projectId: string | null;
  /** The fields that changed with their new values; all of a created row; none of a deleted one. */
  changed: Partial<Row>;
  /** Fields that changed too, whose values are larger than 8 KiB: read them by RPC. */
  omitted: string[];
}

/**
 * The payload of `change:left_out`: a committed change of this row could not be published. Read the row again by RPC; later
 * changes of it are published as usual.
 */
export interface ChangeLeftOut {
  id: string;
  organizationId: string | null;
  projectId: string | null;
  /** As types of publications name it: `task`, `agent_session`, … */
  entity: string;
  operation: "created" | "updated" | "deleted" | "reordered";
}
