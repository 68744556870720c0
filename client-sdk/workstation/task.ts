import type { Assignment, CommitMade, GitWorktree, SessionFinish, SessionProgress } from "../protocol/index.ts";

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
  /** What went wrong, and its kind; for those that did not complete. */
  error?: string;
  errorType?: string;
}

export type TaskProgress = Omit<SessionProgress, "sessionId" | "taskId">;

export interface RefuseOptions {
  /** The agent takes nothing until then. */
  rateLimitResetAt?: Date;
}

/** An assignment in an agent's hands: all its fields, and what can be said to the hub about it. */
export interface WorkstationTask extends Assignment {
  /**
   * Aborted when what is done from now on is in vain: with a TaskCancelledError, a WorkstationStoppedError or, where
   * another program runs as this workstation, a ReplacedError.
   */
  readonly signal: AbortSignal;
  /** Whether an earlier run of this program had started it. */
  readonly resumed: boolean;
  /**
   * Takes the task up: nothing with effects should be done before. Resolves when the hub knows; called again, it waits for
   * the same. Rejects with the signal's reason where the task went elsewhere meanwhile.
   */
  start(about?: { externalSessionId?: string; workingDirectory?: string }): Promise<void>;
  /**
   * Tells those who watch the task how far it is, and starts it where it was not. Of many in a short time the newest is
   * told, and none while the hub is away. Rejects only with the signal's reason, so that a loop ends with its task.
   */
  progress(progress: TaskProgress): Promise<void>;
  /** Ends the task. What the handler returns or throws afterwards does not count. Resolves when the result is kept safe. */
  finish(result?: TaskResult): Promise<void>;
  /** Gives the task back, for another agent to take. Once it is started, that ends it as failed. */
  refuse(reason: string, options?: RefuseOptions): Promise<void>;
  /**
   * The worktree of a branch, the task's own where none is named; the end of the task gives it back. Rejects with
   * `not_found` where this machine has no clone of the repository, and `conflict` where the clone itself has the branch.
   */
  acquireWorktree(branch?: string): Promise<GitWorktree>;
}
