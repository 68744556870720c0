import { RealtimeError } from "../errors.ts";

/** Why the `signal` of a task is aborted: somebody took it back, or the hub gave it up. What is done from now on is in vain. */
export class TaskCancelledError extends RealtimeError {
  override readonly name = "TaskCancelledError";
  /** As in `task:cancel`: `cancelled`, `not_started`, `timeout`, `deleted`, or what somebody gave as the reason. */
  readonly reason: string;
  constructor(reason: string) {
    super(`The task was taken back (${reason}). Stop working on it; the hub takes no result for it any more.`, {
      code: "task_cancelled",
      temporary: false,
    });
    this.reason = reason;
  }
}

/** Why the `signal` of a task is aborted: this program says goodbye. */
export class WorkstationStoppedError extends RealtimeError {
  override readonly name = "WorkstationStoppedError";
  constructor() {
    super("The workstation says goodbye. Make a new one with createWorkstation() to go on.", {
      code: "workstation_stopped",
      temporary: false,
    });
  }
}

/** Another process delivers the results of this file: two would deliver them twice and overwrite each other's. */
export class ResultsFileInUseError extends RealtimeError {
  override readonly name = "ResultsFileInUseError";
  constructor(file: string, pid: number) {
    super(`Process ${pid} already uses the results file ${file}. Stop it, or name another resultsFile.`, {
      code: "results_file_in_use",
      temporary: false,
      details: { file, pid },
    });
  }
}

/** The file can't be read or written, or something else is in it. */
export class ResultsFileError extends RealtimeError {
  override readonly name = "ResultsFileError";
  constructor(file: string, why: string, cause?: unknown) {
    super(`The results file ${file} can't be used: ${why}. Name a file of its own in a folder that exists.`, {
      code: "results_file",
      temporary: false,
      cause,
    });
  }
}
