import type { Open, Page } from "./common.ts";

/**
 * By field: the value's size in bytes and its SHA-256 in hex. A text is hashed unchanged, JSON in Postgres's format.
 */
export type OmittedValues = Record<string, { bytes: number; sha256: string }>;

/** One change of one row, or one transition of a workstation's presence. */
export interface AuditEvent {
  /** Increases from event to event, with gaps. With `after`, pass the id of a page's last event as the next `after`. */
  id: number;
  at: string;
  /** `user:<id>`, `workstation:<id>`, `service:<name>`, `hub:<node id>`, or `db:<role>` for SQL by others. */
  principal: string;
  /** Null for users' own rows, which belong to no organization. */
  organizationId: string | null;
  projectId: string | null;
  /** The methods' prefix: `tasks`, `workflowTemplates`. */
  entity: string;
  rowId: string;
  operation: Open<"created" | "updated" | "deleted" | "presence" | "reordered" | "republished">;
  /**
   * The previous values of the changed fields: all fields for `deleted`, null for `created`. For `presence`: `{
   * presence }`. Organizations and workstations are deleted by an update that sets `deletedAt`. A kicked connection is
   * a `deleted` event of `connections`: `{ principal, nodeId }`, with `{ reason }` as `after`. Secrets are never
   * included.
   */
  before: Record<string, unknown> | null;
  /**
   * The new values of the same fields. For `presence`: `{ presence, reason, nodeId, connectionId, revision }`. For
   * `reordered`, an event of a project: the payload of `task:reordered`. For `republished`: the row as it was published
   * again, null if it no longer exists, with `{ event, operation }` of the refused change as `before`.
   */
  after: Record<string, unknown> | null;
  /** Values over 8 KiB, which `before` and `after` omit; null: none. The row has their newest values. */
  omitted: { before: OmittedValues; after: OmittedValues } | null;
}

/** An event must match all given fields. */
export interface AuditFilter {
  entity?: string;
  rowId?: string;
  principal?: string;
  operation?: string;
}

/** Parameters of `audit.list`. */
export interface AuditListParams {
  organizationId?: string;
  projectId?: string;
  filter?: AuditFilter;
  /**
   * The last event id of the previous page, or 0 at first (with `since` to limit the range). Returns the events after
   * it, oldest first; without `after`, pages are newest first. Ids are assigned before their transactions commit. To
   * never skip an event, such a page ends before the first event that may still be uncommitted. With concurrent
   * writers, detecting this may take half a second. A transaction that stays open after a write delays all later events
   * until it ends. An empty page means that there are no events yet.
   */
  after?: number;
  /** An event id: only earlier events. */
  before?: number;
  /** Only events at this time or later. */
  since?: string;
  /** Only events before this time. */
  until?: string;
  /** 1–200. The default is 50. */
  limit?: number;
  cursor?: string;
}

export interface AuditMethods {
  /** Lists changes and presence transitions. `after` is a durable cursor. */
  "audit.list": { params: AuditListParams; result: Page<AuditEvent> };
}
