import type { Crud, Open, Prefixed, Writable } from "./common.ts";

/** A project with its tasks and attached workstations. */
export interface Project {
  id: string;
  organizationId: string;
  name: string;
  description: string | null;
  slug: string | null;
  defaultWorkflowTemplateId: string | null;
  defaultActorId: string | null;
  memory: string | null;
  status: Open<"active" | "archived" | "suspended">;
  createdAt: string;
  updatedAt: string;
  archivedAt: string | null;
}

/** The fields that `projects.update` may change. */
export type ProjectSet = Partial<
  Pick<Project, "name" | "description" | "slug" | "defaultWorkflowTemplateId" | "defaultActorId" | "memory" | "status">
>;
/** A new project. */
export type ProjectCreate = Writable<Project, "organizationId" | "name", "description" | "slug" | "memory">;

/** The attachment of a workstation to a project: whether it receives the project's tasks, and with which priority. */
export interface ProjectWorkstation {
  id: string;
  projectId: string;
  workstationId: string;
  canReceiveTasks: boolean;
  priority: number;
  createdAt: string;
  updatedAt: string;
}

/** The fields that `projectWorkstations.update` may change. */
export type ProjectWorkstationSet = Partial<Pick<ProjectWorkstation, "canReceiveTasks" | "priority">>;
/** A new attachment. */
export type ProjectWorkstationCreate = Writable<
  ProjectWorkstation,
  "projectId" | "workstationId",
  "canReceiveTasks" | "priority"
>;

/** Attaches a workstation, or changes the given fields of an existing attachment. */
export type WorkstationAttach = ProjectWorkstationCreate;
/** The attachment to remove. */
export interface WorkstationDetach {
  projectId: string;
  workstationId: string;
}
/** The text that every agent of the project receives with its tasks. */
export interface MemoryUpdate {
  id: string;
  memory: string | null;
  /** Rejected with `conflict` if the project has changed since. */
  ifUpdatedAt?: string;
}

interface ProjectVerbs {
  /** Archives the project: it stays readable. `conflict` if it is suspended. */
  "projects.archive": { params: { id: string }; result: Project };
  /** Restores an archived project. `conflict` if it is suspended. */
  "projects.restore": { params: { id: string }; result: Project };
  /**
   * Reverts a deletion: all data is restored, but sessions stay ended. `conflict` once the removal has begun, or if
   * another project uses the slug.
   */
  "projects.undelete": { params: { id: string }; result: Project };
  /** Gives a workstation access to the project's tasks and channels. An existing attachment is changed. */
  "projects.attachWorkstation": { params: WorkstationAttach; result: ProjectWorkstation };
  /** Returns the attachment's id. `not_found` if there is none. */
  "projects.detachWorkstation": { params: WorkstationDetach; result: { id: string } };
  /** Replaces the project's memory. */
  "projects.updateMemory": { params: MemoryUpdate; result: Project };
}

export type ProjectMethods = Prefixed<
  "projects",
  Crud<Project, Project, { status?: string; slug?: string }, ProjectCreate, ProjectSet>
> &
  ProjectVerbs &
  Prefixed<
    "projectWorkstations",
    Crud<
      ProjectWorkstation,
      ProjectWorkstation,
      { workstationId?: string },
      ProjectWorkstationCreate,
      ProjectWorkstationSet
    >
  >;
