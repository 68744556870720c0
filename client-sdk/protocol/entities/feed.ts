import type { Open, Page } from "./common.ts";

/** How long the changes of an organization wait to be published. */
export interface FeedLag {
  /** Null: what belongs to no organization. */
  organizationId: string | null;
  /** Milliseconds since the oldest change that waits was written. */
  lagMs: number;
}

/** A change that could not be published. Its channels got `change:left_out` in its place. */
export interface RefusedChange {
  /** Of the event in `audit.list`. */
  id: number;
  organizationId: string | null;
  projectId: string | null;
  /** The methods' prefix, such as `tasks`. */
  entity: string;
  rowId: string;
  operation: Open<"created" | "updated" | "deleted" | "reordered">;
  /** As of errors: `conflict`, `payload_too_large`, `internal`, … */
  code: string;
  /** What refused it, to services alone. */
  reason: string | null;
  refusedAt: string;
}

/** Whose lag. */
export interface FeedLagParams {
  organizationId?: string;
  /** 1–200; 10 where it is missing. */
  limit?: number;
}

/** Which refused changes. */
export interface FeedRefusedParams {
  organizationId?: string;
  /** 1–200; 50 where it is missing. */
  limit?: number;
  cursor?: string;
}

export interface FeedMethods {
  /** The organizations whose changes wait, longest first: of the caller's organizations. Empty: nothing waits. */
  "feed.lag": { params: FeedLagParams; result: { items: FeedLag[] } };
  /** Changes that could not be published, oldest first. */
  "feed.refused": { params: FeedRefusedParams; result: Page<RefusedChange> };
  /**
   * Publishes a refused change again, as what its row is now, after all earlier changes of the row. Answers with the number of
   * the new event in `audit.list`. If that can't be published either, it is refused under the new number.
   */
  "feed.republish": { params: { id: number }; result: { id: number } };
}
