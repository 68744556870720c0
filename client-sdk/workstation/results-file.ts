import type { SessionFinish } from "../protocol/index.ts";

/** What the hub has not acknowledged yet. */
export interface PendingResult {
  /** The idempotency key, the same at each try. */
  key: string;
  taskId: string;
  /** Set where the hub had not acknowledged the start either: the key of that call. */
  startKey: string | null;
  finish: SessionFinish;
}
