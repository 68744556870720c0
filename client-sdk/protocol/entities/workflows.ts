import type { Open } from "./common.ts";

export type TaskMode = Open<"clarify" | "plan" | "execute" | "review" | "iterate">;
export type TaskList = Open<"todo" | "doing" | "review" | "done" | "loop">;
export interface WorkflowStep {
  mode: TaskMode;
  requireReview: boolean;
}
