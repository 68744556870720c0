import type { Crud, Open, Prefixed, Writable } from "./common.ts";

/** The kind of work that an agent does on a task. */
export type TaskMode = Open<"clarify" | "plan" | "execute" | "review" | "iterate">;
/** A column of the task board. */
export type TaskList = Open<"todo" | "doing" | "review" | "done" | "loop">;
/** One mode of a workflow, and whether its result must be reviewed. */
export interface WorkflowStep {
  mode: TaskMode;
  requireReview: boolean;
}

/** A sequence of modes that a project's tasks may go through. */
export interface WorkflowTemplate {
  id: string;
  projectId: string;
  name: string;
  description: string | null;
  /** The modes of the workflow, in order. */
  modeSequence: WorkflowStep[];
  /** At most one template of a project is its default. Setting one clears the others and updates the project. */
  isDefault: boolean;
  /** The number of tasks with this template. Maintained by the database. */
  tasksUsingCount: number;
  createdAt: string;
  updatedAt: string;
}

/** The fields that `workflowTemplates.update` may change. */
export type WorkflowTemplateSet = Partial<
  Pick<WorkflowTemplate, "name" | "description" | "modeSequence" | "isDefault">
>;
/** A new template. */
export type WorkflowTemplateCreate = Writable<
  WorkflowTemplate,
  "projectId" | "name" | "modeSequence",
  "description" | "isDefault"
>;

/** A personality and working method for a task's agent. */
export interface Actor {
  id: string;
  projectId: string;
  name: string;
  description: string | null;
  systemPrompt: string | null;
  methodology: string | null;
  focusAreas: string[] | null;
  /** At most one actor of a project is its default. Setting one clears the others and updates the project. */
  isDefault: boolean;
  /** The number of tasks with this actor. Maintained by the database. */
  tasksAssignedCount: number;
  createdAt: string;
  updatedAt: string;
}

/** The fields that `actors.update` may change. */
export type ActorSet = Partial<
  Pick<Actor, "name" | "description" | "systemPrompt" | "methodology" | "focusAreas" | "isDefault">
>;
/** A new actor. */
export type ActorCreate = Writable<
  Actor,
  "projectId" | "name",
  "description" | "systemPrompt" | "methodology" | "focusAreas" | "isDefault"
>;

export type WorkflowMethods = Prefixed<
  "workflowTemplates",
  Crud<WorkflowTemplate, WorkflowTemplate, { isDefault?: boolean }, WorkflowTemplateCreate, WorkflowTemplateSet>
> &
  Prefixed<"actors", Crud<Actor, Actor, { isDefault?: boolean }, ActorCreate, ActorSet>>;
