/** For agents on workstations, in Node: holds the connection, takes tasks, and delivers results. */
export * from "./errors.ts";
export {
  DEFAULT_AUTO_START_MS,
  DEFAULT_SHUTDOWN_GRACE_MS,
  type StopOptions,
  type TaskHandler,
  type WorkstationOptions,
} from "./options.ts";
export type { PendingResult } from "./results-file.ts";
export type { RefuseOptions, StartOptions, TaskProgress, TaskResult, WorkstationTask } from "./task.ts";
export { createWorkstation, type Workstation } from "./workstation.ts";
export type { WorkstationEvents, WorkstationState } from "./workstation-events.ts";
export type { AcquiredWorktree } from "./worktrees.ts";
