import type { Assignment, CommitMade, SessionFinish, SessionProgress } from "../protocol/index.ts";
import type { Workplace } from "./worktrees.ts";

/** How a task ended. */
export interface TaskResult {
  /** `completed` where it is missing. What failed or timed out is tried again, three times. */
  status?: SessionFinish["outcome"];
  summary?: string;
  /** Paths of files that were changed. */
  files?: string[];
  commits?: CommitMade[];
  /** What the reviewer shall look at; the summary where it is missing. */
  reviewInstructions?: string;
  /** What went wrong, and its kind (100 characters at most); for those that did not complete. */
  error?: string;
  errorType?: string;
}

/** How far a task is: `percent` from 0 to 100, `message` of at most 2,000 characters, `data` of at most 8 KiB. */
export type TaskProgress = Omit<SessionProgress, "sessionId" | "taskId">;

/** What is told of a start. */
export interface StartOptions {
  /** The id of the session in the agent's own program. */
  externalSessionId?: string;
  workingDirectory?: string;
}

/** More about a refusal. */
export interface RefuseOptions {
  /** The agent takes nothing until then. */
  rateLimitResetAt?: Date;
}

/** An assignment in an agent's hands: all its fields, and what can be said to the hub about it. */
export interface WorkstationTask extends Readonly<Assignment> {
  /**
   * Aborted when what is done from now on is in vain: with a TaskCancelledError or, where another program runs as this
   * workstation, a ReplacedError. A goodbye aborts it with a WorkstationStoppedError: a result that comes within
   * `shutdownGraceMs` still counts; a handler that throws, or returns nothing, was interrupted, and its task is failed, or
   * left to `onResume` of the next run.
   */
  readonly signal: AbortSignal;
  /** Whether an earlier run of this program had started it. */
  readonly resumed: boolean;
  /**
   * Takes the task up: nothing with effects should be done before. Resolves when the hub knows; called again, it waits for
   * the same. Rejects with the signal's reason where the task went elsewhere meanwhile.
   */
  start(options?: StartOptions): Promise<void>;
  /**
   * Tells those who watch the task how far it is, and starts it where it was not. Of many in a short time the newest is
   * told, and none while the hub is away. Rejects only where the task is over, so that a loop ends with it.
   */
  progress(progress: TaskProgress): Promise<void>;
  /**
   * Ends the task; what the handler returns afterwards does not count. Resolves when the result is kept safe: delivered it
   * is as soon as the hub is there. Rejects where the task is over.
   */
  finish(result?: TaskResult): Promise<void>;
  /** Gives the task back, for another agent to take; once it is started, that ends it as failed. Rejects where it is over. */
  refuse(reason: string, options?: RefuseOptions): Promise<void>;
  /**
   * Where to work on a branch, the task's own where none is named: in a worktree that the end of the task gives back, or in
   * the clone where that has the branch checked out itself. A task has one: acquiring another gives the first back. Waits for
   * the hub where it is away; rejects with `not_found` where this machine has no clone of the repository, `conflict` where
   * that is not ready, and the signal's reason.
   */
  acquireWorktree(branch?: string): Promise<Workplace>;
}

/** A result as the hub takes it. */
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
