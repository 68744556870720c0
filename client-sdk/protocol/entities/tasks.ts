import type { Agent } from "./agents.ts";
import type { Crud, Open, Prefixed, Writable } from "./common.ts";
import type { ProjectRepository } from "./repositories.ts";
import type { Actor, TaskList, TaskMode, WorkflowStep } from "./workflows.ts";

/** Work for an agent: its content, its place on the board, and its agent. */
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
  /** The task's own workflow, or its template's, its project's default or its organization's; null if none is set. */
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
  /**
   * The index of `mode` in the effective workflow, from 0. Null before the first session. The hub maintains this and
   * the next two.
   */
  workflowStep: number | null;
  /** Whether the task returns to the list `loop` after its workflow: it was moved there, and not to `todo` since. */
  loops: boolean;
  /** Why agents no longer try it. Cleared when an agent finishes it or it is set ready again. Null: agents may try. */
  lastError: string | null;
}

/** The long texts of a task that `tasks.list` omits. */
export type TaskLongText =
  | "description"
  | "refinedDescription"
  | "planSolution"
  | "planSpec"
  | "planSteps"
  | "reviewInstructions"
  | "reviewFeedback"
  | "reviewAttachments";
/** A task without its long texts, as returned by lists. */
export type TaskListItem = Omit<Task, TaskLongText>;

/**
 * A new `projectId` moves the task within its organization. The task must be INACTIVE and have no dependencies
 * (`conflict` otherwise). The move clears template, repository and actor unless the same call sets them.
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
/** A new task. By default it is added to `todo`, at the end of its priority. */
export type TaskCreate = Writable<Task, "projectId" | "title", keyof Omit<TaskSet, "projectId" | "title">>;

/**
 * Moves a task in or into a list of its project: directly after `afterId`, otherwise directly before `beforeId`,
 * otherwise to the end. The neighbours must be in that list and have the task's new priority (`conflict` otherwise). If
 * both are given, other tasks may be between them.
 */
export interface TaskMove {
  id: string;
  list: TaskList;
  /** The default is its current priority. */
  priority?: number;
  afterId?: string;
  beforeId?: string;
}

/**
 * The payload of `task:reordered` on `project:{id}:tasks`: tasks of a list were renumbered to make room, in unchanged
 * order. Nothing else of them changed, and no `task:updated` is published for it.
 */
export interface TasksReordered {
  projectId: string;
  list: TaskList;
  /** Null if there are too many for a publication: read the list again. */
  tasks: Pick<Task, "id" | "listOrder" | "updatedAt">[] | null;
}

/** A decision on a task in review. */
export interface TaskReview {
  id: string;
  /** `approve` continues the workflow; `reject` returns the task to an agent in mode `iterate`. */
  decision: "approve" | "reject";
  /** For the agent. Required for `reject`. */
  feedback?: string;
  attachments?: unknown[];
}

/**
 * A task assigned to an agent, with everything the agent needs. The payload of `task:assign` on `workstation:{id}`,
 * which omits values over 8 KiB and lists them in `omitted`; `workstations.assignments` returns them.
 */
export interface Assignment {
  /** The id of its session. */
  id: string;
  /** `starting`: not started yet. */
  status: Open<"starting" | "active">;
  /** When it was assigned or started. ISO 8601. */
  since: string;
  organizationId: string;
  workstationId: string;
  agent: Pick<Agent, "id" | "type" | "name">;
  mode: TaskMode;
  task: Pick<
    Task,
    | "id"
    | "title"
    | "description"
    | "refinedTitle"
    | "refinedDescription"
    | "priority"
    | "planSolution"
    | "planSpec"
    | "planSteps"
    | "reviewInstructions"
    | "reviewFeedback"
    | "reviewAttachments"
  >;
  project: { id: string; name: string; memory: string | null };
  actor: Pick<Actor, "id" | "name" | "systemPrompt" | "methodology" | "focusAreas"> | null;
  repository: Pick<ProjectRepository, "id" | "name" | "githubUrl" | "defaultBranch"> | null;
  /** The task's target branch, otherwise the repository's default. Null without a repository. */
  branch: string | null;
  worktreeId: string | null;
  /** The number of earlier failed attempts. */
  recoveryAttempts: number;
  /** Paths such as `task.description` of values that are too large for a publication. */
  omitted: string[];
}

/** The payload of `task:cancel` on `workstation:{id}`: further work on the assignment has no effect. */
export interface AssignmentCancelled {
  /** The assignment's id. */
  id: string;
  taskId: string;
  /** `cancelled`, `not_started`, `timeout`, `deleted` with its task, or the status with which a service ended it. */
  reason: string;
  /** The reason given by the caller, or the hub's own message. */
  message?: string;
}

interface TaskVerbs {
  /**
   * Lists tasks that are ready, INACTIVE, not done or in review, and not blocked, in order of assignment. The default
   * `limit` is 20, the maximum 200.
   */
  "tasks.assignable": {
    params: { organizationId?: string; projectId?: string; limit?: number };
    result: { items: TaskListItem[] };
  };
  /**
   * Assigns a task to the given agent, or to the best free one: by the task's priorities, then the project's, then the
   * longest idle time. The workstation receives `task:assign`. `workstation_offline` if no suitable workstation is
   * present; `conflict` with `details.reason` for all other reasons.
   */
  "tasks.assign": { params: { id: string; agentId?: string }; result: Assignment };
  /**
   * Cancels a task that is PUSHING or ACTIVE (`conflict` otherwise). It is no longer ready. The workstation receives
   * `task:cancel`.
   */
  "tasks.cancel": { params: { id: string; reason?: string }; result: Task };
  /** Decides on a task in the list `review`. `conflict` if it is in another list, or an agent is working on it. */
  "tasks.review": { params: TaskReview; result: Task };
  /** Moves a task to another list, or to another place in its list. */
  "tasks.move": { params: TaskMove; result: Task };
  /** Sets whether agents may take the task. */
  "tasks.setReady": { params: { id: string; ready: boolean }; result: Task };
}

export type TaskMethods = TaskVerbs &
  Prefixed<
    "tasks",
    Crud<Task, TaskListItem, { list?: string; ready?: boolean; agentSessionStatus?: string }, TaskCreate, TaskSet>
  >;
