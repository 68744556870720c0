import type { Open, Page } from "./common.ts";

/** A deleted row that is not removed yet, with everything below it. */
export interface Purge {
  /** The methods' prefix, such as `projects`. */
  entity: string;
  id: string;
  name: string | null;
  organizationId: string | null;
  projectId: string | null;
  /** `user:<id>`, `service:<name>` or `db:<role>`. */
  deletedBy: string;
  deletedAt: string;
  /**
   * `restorable`: it can be restored; `waiting`: it is removed soon; `removing`: rows are being removed; `failed`: the last
   * try failed, and is repeated.
   */
  state: Open<"restorable" | "waiting" | "removing" | "failed">;
  /** Until then it can be restored; null: it can't, or no hub has looked at it yet, which takes seconds. */
  restorableUntil: string | null;
  startedAt: string | null;
  /** Rows removed so far. */
  removed: number;
  /** An estimate of the rows left; null: there is none. */
  remaining: number | null;
  /** Why the last try failed, to services alone. */
  error: string | null;
}

/** Which deleted rows. */
export interface PurgeListParams {
  organizationId?: string;
  /** Of this entity alone, such as `organizations`. */
  entity?: string;
  /** 1–200; 50 where it is missing. */
  limit?: number;
  cursor?: string;
}

export interface PurgeMethods {
  /** What is deleted and not removed yet, in the order of the ids: of the caller's organizations, and its own deleted ones. */
  "purges.list": { params: PurgeListParams; result: Page<Purge> };
}
