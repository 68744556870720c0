import type { TaskList, TaskMode, WorkflowStep } from "@monster-realtime/client/protocol";

/** A task as far as its workflow needs it. */
export interface TaskStanding {
  list: TaskList;
  mode: TaskMode;
  /** The step at which it stands; a hint, because people change modes and workflows by hand. Null before the first. */
  step: number | null;
  /** Whether the task goes round instead of being done. */
  loops: boolean;
  /** Null or empty where nobody set one. */
  workflow: readonly WorkflowStep[] | null;
}

/**
 * `started`: an agent took it up. `completed`: its session came to its end. `failed`: the session ended otherwise and
 * another one may try. `gave_up`: none shall. `approved`, `rejected`: what the reviewer said.
 */
export type WorkflowEvent = "started" | "completed" | "failed" | "gave_up" | "approved" | "rejected";

/** What becomes of the task. */
export interface NextStanding {
  list: TaskList;
  mode: TaskMode;
  step: number | null;
}

/** Outside of workflows: what a reviewer sent back is done again in this mode. */
const REWORK: TaskMode = "iterate";

/**
 * The whole life of a task, as one table: what an event makes of it, or null where the event is not allowed there. A task
 * without workflow has its mode as the only step, after which somebody looks at it.
 */
export function nextStanding(task: TaskStanding, event: WorkflowEvent): NextStanding | null {
  // A mode that is none of the workflow's keeps the place at which the task stands.
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

/** The step that the task is at: the last one run where the mode is still its own, or is what a reviewer sent it back to. */
export function stepOf({ mode, step, workflow }: TaskStanding): number | null {
  const steps = workflow ?? [];
  if (step !== null && (steps[step]?.mode === mode || (mode === REWORK && step < steps.length))) return step;
  const first = steps.findIndex((candidate) => candidate.mode === mode);
  return first === -1 ? null : first;
}

function completed(task: TaskStanding): NextStanding {
  const step = stepOf(task);
  // A mode that the workflow does not have was somebody's wish, and somebody looks at what came of it.
  const requireReview = step === null ? true : (task.workflow?.[step]?.requireReview ?? true);
  return requireReview ? { list: "review", mode: task.mode, step: step ?? task.step } : advanced(task);
}

/** To the step behind its own; from a mode that is none of the workflow's, to the one at which it stood. */
function advanced(task: TaskStanding): NextStanding {
  const steps = task.workflow ?? [];
  const step = stepOf(task);
  const place = step === null ? (task.step ?? 0) : step + 1;
  const next = steps[place];
  if (next) return { list: "doing", mode: next.mode, step: place };
  if (!task.loops) return { list: "done", mode: task.mode, step: step ?? task.step };
  const first = steps[0];
  return first ? { list: "loop", mode: first.mode, step: 0 } : { list: "loop", mode: task.mode, step: null };
}

/** What was not the workflow's own is done again before the step at which the task stands, as part of the one before. */
function reworked(task: TaskStanding): number | null {
  return stepOf(task) ?? (task.step !== null && task.step > 0 ? task.step - 1 : null);
}

/** Where a task waits for an agent that is not under way. */
function waitingList({ loops }: Pick<TaskStanding, "loops">): TaskList {
  return loops ? "loop" : "todo";
}
