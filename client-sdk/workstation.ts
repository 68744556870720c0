/** For agents on workstations, in Node: holds the connection, takes tasks, and delivers results. */
export * from "./workstation/errors.ts";
export {
  DEFAULT_AUTO_START_MS,
  DEFAULT_SHUTDOWN_GRACE_MS,
  type StopOptions,
  type TaskHandler,
  type WorkstationOptions,
} from "./workstation/options.ts";
export type { PendingResult } from "./workstation/results-file.ts";
export type { RefuseOptions, StartOptions, TaskProgress, TaskResult, WorkstationTask } from "./workstation/task.ts";
export { createWorkstation, type Workstation } from "./workstation/workstation.ts";
export type { WorkstationEvents, WorkstationState } from "./workstation/workstation-events.ts";
export type { AcquiredWorktree } from "./workstation/worktrees.ts";
