import type { Assignment, CommitMade, SessionFinish, SessionProgress } from "../protocol/index.ts";
import type { AcquiredWorktree } from "./worktrees.ts";

/** How a task ended. */
export interface TaskResult {
  /** The default is `completed`. A task that failed or timed out is retried, up to three times. */
  status?: SessionFinish["outcome"];
  summary?: string;
  /** Paths of files that were changed. */
  files?: string[];
  commits?: CommitMade[];
  /** What the reviewer should check. The default is the summary. */
  reviewInstructions?: string;
  /** The error message and its kind (100 characters at most), for tasks that did not complete. */
  error?: string;
  errorType?: string;
}

/** A task's progress: `percent` from 0 to 100, `message` of at most 2,000 characters, `data` of at most 8 KiB. */
export type TaskProgress = Omit<SessionProgress, "sessionId" | "taskId">;

/** Details of a start. */
export interface StartOptions {
  /** The id of the session in the agent's own program. */
  externalSessionId?: string;
  workingDirectory?: string;
}

/** Details of a refusal. */
export interface RefuseOptions {
  /** The agent takes no tasks before this time. */
  rateLimitResetAt?: Date;
}

/** An assignment that an agent works on: all its fields, and the calls to the hub about it. */
export interface WorkstationTask extends Readonly<Assignment> {
  /**
   * Aborted when further work has no effect: with a TaskCancelledError, or with a ReplacedError if another program runs
   * as this workstation. `stop()` aborts it with a WorkstationStoppedError. A result returned within `shutdownGraceMs`
   * then still counts. If the handler throws or returns nothing, it was interrupted: the task fails, or is left to
   * `onResume` of the next run.
   */
  readonly signal: AbortSignal;
  /** Whether an earlier run of this program had started it. */
  readonly resumed: boolean;
  /**
   * Starts the task: do nothing with side effects before it resolves. Resolves when the hub has acknowledged the start.
   * Further calls wait for the same answer. Rejects with the signal's reason if the task was assigned elsewhere.
   */
  start(options?: StartOptions): Promise<void>;
  /**
   * Reports progress to the task's subscribers, and starts the task if needed. Of several reports in a short time only
   * the newest is sent, and none while disconnected. Rejects only if the task is over, so that a loop ends with it.
   */
  progress(progress: TaskProgress): Promise<void>;
  /**
   * Ends the task. A value that the handler returns later is ignored. Resolves when the result is stored; it is
   * delivered as soon as the client is connected. Rejects if the task is over.
   */
  finish(result?: TaskResult): Promise<void>;
  /** Refuses the task so that another agent can take it. A started task ends as failed. Rejects if the task is over. */
  refuse(reason: string, options?: RefuseOptions): Promise<void>;
  /**
   * Acquires a folder to work on a branch, by default the task's own. It is a worktree that is released when the task
   * ends, or the clone itself if that has the branch checked out. A task holds one: acquiring another releases the
   * first. Waits for a connection. Rejects with `not_found` if this machine has no clone of the repository, with
   * `conflict` if the clone is not ready, and with the signal's reason.
   */
  acquireWorktree(branch?: string): Promise<AcquiredWorktree>;
}

/** Converts a result to the parameters of the hub's finish call. */
export function finishOf(id: string, result: TaskResult): SessionFinish {
  const { status = "completed", summary, files, commits, reviewInstructions, error, errorType } = result;
  return {
    id,
    outcome: status,
    ...(summary === undefined ? {} : { outputSummary: summary }),
    ...(files === undefined ? {} : { filesChanged: files }),
    ...(commits === undefined ? {} : { commitsMade: commits }),
    ...(reviewInstructions === undefined ? {} : { reviewInstructions }),
    ...(error === undefined ? {} : { errorMessage: error }),
    ...(errorType === undefined ? {} : { errorType }),
  };
}
