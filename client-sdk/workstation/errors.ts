import { RealtimeError } from "../kernel/errors.ts";

/**
 * The reason of a task's aborted `signal`: the task was cancelled, or the hub gave it up. Further work on it has no
 * effect.
 */
export class TaskCancelledError extends RealtimeError {
  override readonly name = "TaskCancelledError";
  /**
   * As in `task:cancel`: `cancelled`, `not_started`, `timeout`, `deleted`, or the reason of the person who cancelled.
   */
  readonly reason: string;
  constructor(reason: string) {
    super(`The task was cancelled (${reason}). Stop working on it: the hub no longer accepts a result.`, {
      code: "task_cancelled",
      temporary: false,
    });
    this.reason = reason;
  }
}

/** The reason of a task's aborted `signal`: this program is stopping. */
export class WorkstationStoppedError extends RealtimeError {
  override readonly name = "WorkstationStoppedError";
  constructor() {
    super("The workstation is stopping or stopped. Call createWorkstation() to start another one.", {
      code: "workstation_stopped",
      temporary: false,
    });
  }
}

/**
 * Another process delivers the results of this file. Two processes would deliver results twice and overwrite each
 * other's.
 */
export class ResultsFileInUseError extends RealtimeError {
  override readonly name = "ResultsFileInUseError";
  constructor(file: string, pid: number) {
    super(`Process ${pid} already uses the results file ${file}. Stop that process, or set another resultsFile.`, {
      code: "results_file_in_use",
      temporary: false,
      details: { file, pid },
    });
  }
}

/** The file can't be read or written, or contains something other than results. */
export class ResultsFileError extends RealtimeError {
  override readonly name = "ResultsFileError";
  constructor(file: string, why: string, cause?: unknown) {
    super(`The results file ${file} can't be used: ${why}. Set resultsFile to a separate file in an existing folder.`, {
      code: "results_file",
      temporary: false,
      cause,
    });
  }
}
