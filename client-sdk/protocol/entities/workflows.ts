import type { Crud, Open, Prefixed, Writable } from "./common.ts";

/** What an agent is to do with a task. */
export type TaskMode = Open<"clarify" | "plan" | "execute" | "review" | "iterate">;
/** A column of the task board. */
export type TaskList = Open<"todo" | "doing" | "review" | "done" | "loop">;
/** One mode of a workflow, and whether somebody has to review what came of it. */
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
  /** The modes a task goes through, in their order. */
  modeSequence: WorkflowStep[];
  /** Of a project's templates at most one is its default: setting one clears the others and the project follows. */
  isDefault: boolean;
  /** Tasks that name this template. Kept by the database. */
  tasksUsingCount: number;
  createdAt: string;
  updatedAt: string;
}

/** What `workflowTemplates.update` may change. */
export type WorkflowTemplateSet = Partial<
  Pick<WorkflowTemplate, "name" | "description" | "modeSequence" | "isDefault">
>;
/** A new template. */
export type WorkflowTemplateCreate = Writable<
  WorkflowTemplate,
  "projectId" | "name" | "modeSequence",
  "description" | "isDefault"
>;

/** A personality and way of working that a task may be given. */
export interface Actor {
  id: string;
  projectId: string;
  name: string;
  description: string | null;
  systemPrompt: string | null;
  methodology: string | null;
  focusAreas: string[] | null;
  /** Of a project's actors at most one is its default: setting one clears the others and the project follows. */
  isDefault: boolean;
  /** Tasks that name this actor. Kept by the database. */
  tasksAssignedCount: number;
  createdAt: string;
  updatedAt: string;
}

/** What `actors.update` may change. */
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
