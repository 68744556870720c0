import type { TaskList, TaskMode, WorkflowStep } from "@monster-realtime/client/protocol";

/** The fields of a task that its workflow needs. */
export interface WorkflowState {
  list: TaskList;
  mode: TaskMode;
  /** The current step; null before the first. Only a hint, because people change modes and workflows by hand. */
  step: number | null;
  /** Whether the task repeats instead of being done. */
  loops: boolean;
  /** Null or empty if none is set. */
  workflow: readonly WorkflowStep[] | null;
}

/**
 * `started`: an agent started the task. `completed`: its session completed. `failed`: the session ended in another way,
 * and the task is retried. `gave_up`: the task is not retried. `approved`, `rejected`: the reviewer's decision.
 */
export type WorkflowEvent = "started" | "completed" | "failed" | "gave_up" | "approved" | "rejected";

/** The next state of the task. */
export interface NextState {
  list: TaskList;
  mode: TaskMode;
  step: number | null;
}

/** The mode of a task that a reviewer rejected. It need not be a step of the workflow. */
const REWORK: TaskMode = "iterate";

/**
 * The transition function of a task: its next state after an event, or null if the event is not allowed. A task without
 * a workflow has its mode as the only step, followed by a review.
 */
export function nextState(task: WorkflowState, event: WorkflowEvent): NextState | null {
  // A mode outside of the workflow keeps the task's current step.
  const step = stepOf(task) ?? task.step;
  const stay = { list: task.list, mode: task.mode, step };
  switch (event) {
    case "started":
      return task.list === "todo" || task.list === "doing" || task.list === "loop" ? { ...stay, list: "doing" } : null;
    case "completed":
      return task.list === "doing" ? completed(task) : stay;
    case "failed":
      return stay;
    case "gave_up":
      return task.list === "doing" ? { ...stay, list: waitingList(task) } : stay;
    case "approved":
      return task.list === "review" ? advanced(task) : null;
    case "rejected":
      return task.list === "review" ? { list: waitingList(task), mode: REWORK, step: reworked(task) } : null;
  }
}

/**
 * The task's step: the stored one if its mode still matches or is the rework mode, else the first step with the mode.
 */
export function stepOf({ mode, step, workflow }: WorkflowState): number | null {
  const steps = workflow ?? [];
  if (step !== null && (steps[step]?.mode === mode || (mode === REWORK && step < steps.length))) return step;
  const first = steps.findIndex((candidate) => candidate.mode === mode);
  return first === -1 ? null : first;
}

function completed(task: WorkflowState): NextState {
  const step = stepOf(task);
  // A mode outside of the workflow was chosen by a person, so its result needs a review.
  const requireReview = step === null ? true : (task.workflow?.[step]?.requireReview ?? true);
  return requireReview ? { list: "review", mode: task.mode, step: step ?? task.step } : advanced(task);
}

/** The state at the next step. From a mode outside of the workflow, the state at the stored step. */
function advanced(task: WorkflowState): NextState {
  const steps = task.workflow ?? [];
  const step = stepOf(task);
  const place = step === null ? (task.step ?? 0) : step + 1;
  const next = steps[place];
  if (next) return { list: "doing", mode: next.mode, step: place };
  if (!task.loops) return { list: "done", mode: task.mode, step: step ?? task.step };
  const first = steps[0];
  return first ? { list: "loop", mode: first.mode, step: 0 } : { list: "loop", mode: task.mode, step: null };
}

/**
 * The step of a rejected task. A mode outside of the workflow is reworked before the stored step, as part of the
 * previous one.
 */
function reworked(task: WorkflowState): number | null {
  return stepOf(task) ?? (task.step !== null && task.step > 0 ? task.step - 1 : null);
}

/** The list in which a task without an agent waits. */
function waitingList({ loops }: Pick<WorkflowState, "loops">): TaskList {
  return loops ? "loop" : "todo";
}
