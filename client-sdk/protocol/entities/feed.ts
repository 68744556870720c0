import type { Open, Page } from "./common.ts";

/** How long an organization's changes have been waiting to be published. */
export interface FeedLag {
  /** Null: changes that belong to no organization. */
  organizationId: string | null;
  /** Milliseconds since the oldest waiting change was written. */
  lagMs: number;
}

/** A change that could not be published. Its channels received `change:left_out` instead. */
export interface RefusedChange {
  /** The id of the event in `audit.list`. */
  id: number;
  organizationId: string | null;
  projectId: string | null;
  /** The methods' prefix, such as `tasks`. */
  entity: string;
  rowId: string;
  operation: Open<"created" | "updated" | "deleted" | "reordered">;
  /** An error code: `conflict`, `payload_too_large`, `internal`, … */
  code: string;
  /** The cause of the refusal. Null except for services. */
  reason: string | null;
  refusedAt: string;
}

/** Parameters of `feed.lag`. */
export interface FeedLagParams {
  organizationId?: string;
  /** 1–200. The default is 10. */
  limit?: number;
}

/** Parameters of `feed.refused`. */
export interface FeedRefusedParams {
  organizationId?: string;
  /** 1–200. The default is 50. */
  limit?: number;
  cursor?: string;
}

export interface FeedMethods {
  /** Lists the caller's organizations whose changes are waiting, longest first. Empty: no changes are waiting. */
  "feed.lag": { params: FeedLagParams; result: { items: FeedLag[] } };
  /** Lists the changes that could not be published, oldest first. */
  "feed.refused": { params: FeedRefusedParams; result: Page<RefusedChange> };
  /**
   * Publishes the current state of a refused change's row, after all earlier changes of the row. Returns the id of the
   * new event in `audit.list`. If that can't be published either, it is refused under the new id.
   */
  "feed.republish": { params: { id: number }; result: { id: number } };
}
