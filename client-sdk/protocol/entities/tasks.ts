import type { Crud, Open, Prefixed, Writable } from "./common.ts";
import type { Assignment } from "./work.ts";
import type { TaskList, TaskMode, WorkflowStep } from "./workflows.ts";

/** Work for an agent: what it is, where it stands on the board, and who is at it. */
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
  /** The place of `mode` in the effective workflow, from 0; null before the first session. Kept by the hub, as the next two are. */
  workflowStep: number | null;
  /** Whether the task, once through its workflow, returns to the list `loop`: it was put there, and not into `todo` since. */
  loops: boolean;
  /** Why agents no longer try, until one finishes it or somebody sets it ready again; null: they do. */
  lastError: string | null;
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
/** A task without its long texts, as lists have it. */
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
/** A new task; `todo`, at the end of its priority, where nothing else is said. */
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

/** A decision on a task that waits for one. */
export interface TaskReview {
  id: string;
  /** `approve` goes on in the workflow, `reject` back to an agent in mode `iterate`. */
  decision: "approve" | "reject";
  /** For the agent; needed for `reject`. */
  feedback?: string;
  attachments?: unknown[];
}

interface TaskVerbs {
  /** Tasks that are ready, INACTIVE, not done or in review, and not blocked, in the order in which they are assigned. 20 where `limit` is missing, at most 200. */
  "tasks.assignable": {
    params: { organizationId?: string; projectId?: string; limit?: number };
    result: { items: TaskListItem[] };
  };
  /**
   * Gives a task to an agent: the one named, else the best that is free (by the task's own priorities, the project's, then
   * who waited longest). The workstation gets `task:assign`. `workstation_offline` where no workstation that could is
   * present; `conflict` with `details.obstacle` for everything else in the way.
   */
  "tasks.assign": { params: { id: string; agentId?: string }; result: Assignment };
  /** Takes a task that is PUSHING or ACTIVE back from its agent (`conflict` else); it is no longer ready. The workstation gets `task:cancel`. */
  "tasks.cancel": { params: { id: string; reason?: string }; result: Task };
  /** Decides on a task in the list `review`; `conflict` where it is not there, or an agent is at it. */
  "tasks.review": { params: TaskReview; result: Task };
  /** Moves a task to another list, or to another place of its own. */
  "tasks.move": { params: TaskMove; result: Task };
  /** Lets agents take the task, or keeps them from it. */
  "tasks.setReady": { params: { id: string; ready: boolean }; result: Task };
}

export type TaskMethods = TaskVerbs &
  Prefixed<
    "tasks",
    Crud<Task, TaskListItem, { list?: string; ready?: boolean; agentSessionStatus?: string }, TaskCreate, TaskSet>
  >;
