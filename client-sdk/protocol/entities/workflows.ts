import type { Crud, Open, Prefixed, Writable } from "./common.ts";

export type TaskMode = Open<"clarify" | "plan" | "execute" | "review" | "iterate">;
export type TaskList = Open<"todo" | "doing" | "review" | "done" | "loop">;
export interface WorkflowStep {
  mode: TaskMode;
  requireReview: boolean;
}

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

export type WorkflowTemplateSet = Partial<
  Pick<WorkflowTemplate, "name" | "description" | "modeSequence" | "isDefault">
>;
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

export type ActorSet = Partial<
  Pick<Actor, "name" | "description" | "systemPrompt" | "methodology" | "focusAreas" | "isDefault">
>;
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
