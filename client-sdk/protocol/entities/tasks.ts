import type { Crud, Open, Prefixed, Writable } from "./common.ts";
import type { TaskList, TaskMode, WorkflowStep } from "./workflows.ts";

export interface Task {
  id: string;
  projectId: string;
  title: string;
  description: string | null;
  refinedTitle: string | null;
  refinedDescription: string | null;
  priority: number;
  list: TaskList;
  listOrder: number;
  mode: TaskMode;
  workflowTemplateId: string | null;
  workflowConfig: WorkflowStep[] | null;
  /** The task's own workflow, its template's, its project's default or its organization's; null where none is set. */
  effectiveWorkflow: WorkflowStep[] | null;
  projectRepositoryId: string | null;
  targetBranch: string | null;
  actorId: string | null;
  ready: boolean;
  agentSessionStatus: Open<"INACTIVE" | "PUSHING" | "ACTIVE">;
  activeAgentId: string | null;
  lastAgentSessionId: string | null;
  planSolution: string | null;
  planSpec: string | null;
  planSteps: unknown[] | null;
  reviewInstructions: string | null;
  reviewFeedback: string | null;
  reviewAttachments: unknown[] | null;
  dependencyCount: number;
  createdAt: string;
  updatedAt: string;
  completedAt: string | null;
}

/** The long texts of a task that `tasks.list` leaves out. */
export type TaskLongText =
  | "description"
  | "refinedDescription"
  | "planSolution"
  | "planSpec"
  | "planSteps"
  | "reviewInstructions"
  | "reviewFeedback"
  | "reviewAttachments";
export type TaskListItem = Omit<Task, TaskLongText>;

export type TaskSet = Partial<
  Pick<
    Task,
    | "title"
    | "description"
    | "refinedTitle"
    | "refinedDescription"
    | "priority"
    | "list"
    | "listOrder"
    | "mode"
    | "workflowTemplateId"
    | "workflowConfig"
    | "projectRepositoryId"
    | "targetBranch"
    | "actorId"
    | "ready"
    | "planSolution"
    | "planSpec"
    | "planSteps"
    | "reviewInstructions"
    | "reviewFeedback"
    | "reviewAttachments"
  >
>;
export type TaskCreate = Writable<Task, "projectId" | "title", keyof Omit<TaskSet, "title">>;

export type TaskMethods = Prefixed<
  "tasks",
  Crud<Task, TaskListItem, { list?: string; ready?: boolean; agentSessionStatus?: string }, TaskCreate, TaskSet>
>;
