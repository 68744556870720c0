import type { RealtimeError } from "../kernel/errors.ts";
import type { SessionFinish } from "../protocol/index.ts";
import type { PendingResult } from "./results-file.ts";
import type { WorkstationTask } from "./task.ts";

/** A workstation's state. */
export type WorkstationState =
  /** Before `start()`. */
  | { name: "idle" }
  | { name: "connecting" }
  /** Present at the hub, and taking tasks. */
  | { name: "online"; workstationId: string }
  /** Temporarily disconnected. It retries by itself. */
  | { name: "waiting"; error: RealtimeError }
  /** Stopping: it takes no more tasks. */
  | { name: "stopping" }
  /** Final. `error` is null after `stop()` and a signal. */
  | { name: "stopped"; error: RealtimeError | null }
  /** Final: a newer program runs as this workstation. Its tasks here were aborted, and it does not reconnect. */
  | { name: "replaced"; error: RealtimeError };

/** The workstation's events, with the arguments of their handlers. */
export type WorkstationEvents = {
  state: [state: WorkstationState, previous: WorkstationState];
  /** A task arrived; its handler is called next. `resumed`: an earlier run of this program had started it. */
  assigned: [task: WorkstationTask, { resumed: boolean }];
  /** The hub has acknowledged the start of the task. */
  started: [task: WorkstationTask];
  /** The hub has stored the result. Also emitted for results of an earlier run of this program. */
  finished: [{ id: string; taskId: string; outcome: SessionFinish["outcome"] }];
  /** The task was refused before it was started. */
  refused: [task: WorkstationTask, { reason: string }];
  /** The task was cancelled. Its signal is aborted. */
  cancelled: [task: WorkstationTask, { reason: string }];
  /** The hub rejects this result permanently: the task was assigned elsewhere or ended in the meantime. */
  rejected: [result: PendingResult, error: RealtimeError];
  /** A newer program runs as this workstation. */
  replaced: [error: RealtimeError];
  /** The machine was asleep for about this long. The client reconnects. */
  woke: [{ sleptMs: number }];
  /** Any other failure. Without a listener it is logged to the console. */
  error: [error: RealtimeError];
};
