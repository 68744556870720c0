import type { Crud, Open, Prefixed, Writable } from "./common.ts";

/** What tasks belong to, and what workstations are attached to. */
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

/** What `projects.update` may change. */
export type ProjectSet = Partial<
  Pick<Project, "name" | "description" | "slug" | "defaultWorkflowTemplateId" | "defaultActorId" | "memory" | "status">
>;
/** A new project. */
export type ProjectCreate = Writable<Project, "organizationId" | "name", "description" | "slug" | "memory">;

/** The attachment of a workstation to a project: whether it gets tasks of it, and how early. */
export interface ProjectWorkstation {
  id: string;
  projectId: string;
  workstationId: string;
  canReceiveTasks: boolean;
  priority: number;
  createdAt: string;
  updatedAt: string;
}

/** What `projectWorkstations.update` may change. */
export type ProjectWorkstationSet = Partial<Pick<ProjectWorkstation, "canReceiveTasks" | "priority">>;
/** A new attachment. */
export type ProjectWorkstationCreate = Writable<
  ProjectWorkstation,
  "projectId" | "workstationId",
  "canReceiveTasks" | "priority"
>;

/** Attaches a workstation, or changes the attachment that is there: only what is given. */
export type WorkstationAttach = ProjectWorkstationCreate;
/** Which attachment to end. */
export interface WorkstationDetach {
  projectId: string;
  workstationId: string;
}
/** The text that every agent of the project gets with its tasks. */
export interface MemoryUpdate {
  id: string;
  memory: string | null;
  /** Refused with `conflict` where the project changed since. */
  ifUpdatedAt?: string;
}

interface ProjectVerbs {
  /** Takes the project out of use: it stays readable. A suspended one is a `conflict`. */
  "projects.archive": { params: { id: string }; result: Project };
  /** Takes an archived project into use again. A suspended one is a `conflict`. */
  "projects.restore": { params: { id: string }; result: Project };
  /**
   * Takes back a deletion: everything is as it was, but for sessions, which the deletion ended. `conflict` once the project is
   * being removed, or where another project has its slug.
   */
  "projects.undelete": { params: { id: string }; result: Project };
  /** Gives a workstation the project's tasks and channels. One that is attached already is changed. */
  "projects.attachWorkstation": { params: WorkstationAttach; result: ProjectWorkstation };
  /** Answers with the attachment's id; `not_found` where there is none. */
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
