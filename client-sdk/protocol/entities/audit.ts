import type { Open, Page } from "./common.ts";

/** By field: size in bytes and SHA-256 in hex of a value; of a text as it is, of JSON as Postgres writes it. */
export type OmittedValues = Record<string, { bytes: number; sha256: string }>;

/** One change of one row, or one transition of a workstation's presence. */
export interface AuditEvent {
  /** Grows from event to event, with gaps. The last one of a page that was asked for with `after` is the next `after`. */
  id: number;
  at: string;
  /** `user:<id>`, `workstation:<id>`, `service:<name>`, `hub:<node id>`, or `db:<role>` for SQL by others. */
  principal: string;
  /** Null for users' own rows, which belong to no organization. */
  organizationId: string | null;
  projectId: string | null;
  /** As methods name it: `tasks`, `workflowTemplates`. */
  entity: string;
  rowId: string;
  operation: Open<"created" | "updated" | "deleted" | "presence" | "reordered" | "republished">;
  /**
   * The fields that changed as they were, all of them for `deleted`, null for `created`. For `presence`: `{ presence }`.
   * Rows of organizations and workstations are deleted by an update that sets `deletedAt`. A kicked connection is `deleted`
   * of `connections`: `{ principal, nodeId }`, with `{ reason }` as `after`. Secrets are in neither.
   */
  before: Record<string, unknown> | null;
  /**
   * The same as they are then. For `presence`: `{ presence, reason, nodeId, connectionId, revision }`; for `reordered`, of
   * a project: what `task:reordered` told; for `republished`: the row as it was published again, null where it was gone, with
   * `{ event, operation }` of the refused change as `before`.
   */
  after: Record<string, unknown> | null;
  /** Values over 8 KiB, which `before` and `after` lack; null: there are none. Their newest values are in the row. */
  omitted: { before: OmittedValues; after: OmittedValues } | null;
}

/** All that is given must be true of an event. */
export interface AuditFilter {
  entity?: string;
  rowId?: string;
  principal?: string;
  operation?: string;
}

/** Which events to list. */
export interface AuditListParams {
  organizationId?: string;
  projectId?: string;
  filter?: AuditFilter;
  /**
   * The last event's id of such a page, 0 at the very first (with `since`, where not all is wanted): answers with what
   * came after it, oldest first, where pages are otherwise newest first. Ids are given before their transactions commit;
   * so that none is ever skipped, such a page ends before the first event that might still be missing. While others
   * write, that may take half a second to find out; a transaction that stays open after it has written holds back what
   * came after it, until it ends. An empty page says: nothing yet.
   */
  after?: number;
  /** An event's id: only what came before it. */
  before?: number;
  /** Only what happened at this time or later. */
  since?: string;
  /** Only what happened before this time. */
  until?: string;
  /** 1–200; 50 where it is missing. */
  limit?: number;
  cursor?: string;
}

export interface AuditMethods {
  /** Who changed what, and how presence went; a durable cursor with `after`. */
  "audit.list": { params: AuditListParams; result: Page<AuditEvent> };
}
