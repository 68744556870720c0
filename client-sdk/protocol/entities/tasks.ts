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

/**
 * A new `projectId` moves the task within its organization, while it is INACTIVE and has no dependencies (`conflict`
 * else), and clears template, repository and actor but where the same call sets others.
 */
export type TaskSet = Partial<
  Pick<
    Task,
    | "projectId"
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
export type TaskCreate = Writable<Task, "projectId" | "title", keyof Omit<TaskSet, "projectId" | "title">>;

/**
 * To a place in a list of the task's project: directly behind `afterId`, or else directly before `beforeId`, or else last.
 * Neighbours are tasks of that list and of the priority that the task has or gets (`conflict` else); where both are given,
 * others may have come between them meanwhile.
 */
export interface TaskMove {
  id: string;
  list: TaskList;
  /** What it had, where this is missing. */
  priority?: number;
  afterId?: string;
  beforeId?: string;
}

/**
 * The payload of `task:reordered` on `project:{id}:tasks`: tasks of a list were numbered anew to make room, in the order
 * they had. Nothing else of them changed, and no `task:updated` tells it.
 */
export interface TasksReordered {
  projectId: string;
  list: TaskList;
  /** Null where they are too many to tell: read the list again. */
  tasks: Pick<Task, "id" | "listOrder" | "updatedAt">[] | null;
}

interface TaskVerbs {
  "tasks.move": { params: TaskMove; result: Task };
  "tasks.setReady": { params: { id: string; ready: boolean }; result: Task };
}

export type TaskMethods = TaskVerbs &
  Prefixed<
    "tasks",
    Crud<Task, TaskListItem, { list?: string; ready?: boolean; agentSessionStatus?: string }, TaskCreate, TaskSet>
  >;
