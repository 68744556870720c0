import type { Open, Page } from "./common.ts";

/** A deleted row that is not yet removed, with everything below it. */
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
   * `restorable`: it can be restored. `waiting`: it will be removed soon. `removing`: its rows are being removed.
   * `failed`: the last attempt failed and will be retried.
   */
  state: Open<"restorable" | "waiting" | "removing" | "failed">;
  /**
   * The end of the time in which it can be restored. Null: it can't be, or no hub has processed it yet, which takes
   * seconds.
   */
  restorableUntil: string | null;
  startedAt: string | null;
  /** Rows removed so far. */
  removed: number;
  /** An estimate of the remaining rows. Null: no estimate. */
  remaining: number | null;
  /** Why the last attempt failed. Null except for services. */
  error: string | null;
}

/** Parameters of `purges.list`. */
export interface PurgeListParams {
  organizationId?: string;
  /** Only rows of this entity, such as `organizations`. */
  entity?: string;
  /** 1–200. The default is 50. */
  limit?: number;
  cursor?: string;
}

export interface PurgeMethods {
  /**
   * Lists deleted rows that are not yet removed, ordered by id: those of the caller's organizations, and the deleted
   * organizations that it owns.
   */
  "purges.list": { params: PurgeListParams; result: Page<Purge> };
}
