import type { RealtimeError } from "../errors.ts";
import type { SessionFinish } from "../protocol/index.ts";
import type { PendingResult } from "./results-file.ts";
import type { WorkstationTask } from "./task.ts";

/** Where a workstation stands. */
export type WorkstationState =
  /** Before `start()`. */
  | { name: "idle" }
  | { name: "connecting" }
  /** Present at the hub, and takes tasks. */
  | { name: "online"; workstationId: string }
  /** Away for now: it tries again by itself. */
  | { name: "waiting"; error: RealtimeError }
  /** Says goodbye: takes no tasks any more. */
  | { name: "stopping" }
  /** For good. `error` is null after `stop()` and a signal. */
  | { name: "stopped"; error: RealtimeError | null }
  /** For good: a newer program runs as this workstation. Its tasks here were aborted; there is no fight over them. */
  | { name: "replaced"; error: RealtimeError };

/** What a workstation tells, with the arguments of its handlers. */
export type WorkstationEvents = {
  state: [state: WorkstationState, previous: WorkstationState];
  /** A task came, before its handler is called. `resumed`: an earlier run of this program had started it. */
  assigned: [task: WorkstationTask, { resumed: boolean }];
  /** The hub knows that the task is being worked on. */
  started: [task: WorkstationTask];
  /** The hub has the result; also that of an earlier run of this program. */
  finished: [{ id: string; taskId: string; outcome: SessionFinish["outcome"] }];
  /** The task was given back before it was started. */
  refused: [task: WorkstationTask, { reason: string }];
  /** The task was taken back; its signal is aborted. */
  cancelled: [task: WorkstationTask, { reason: string }];
  /** The hub will never take this result: the task was given to somebody else, or came to its end, meanwhile. */
  rejected: [result: PendingResult, error: RealtimeError];
  /** A newer program runs as this workstation. */
  replaced: [error: RealtimeError];
  /** The machine was asleep for about this long: the connection is made anew. */
  woke: [{ sleptMs: number }];
  /** Whatever else went wrong. Without a listener it goes to the console. */
  error: [error: RealtimeError];
};
