import type { Crud, Open, Prefixed, Writable } from "./common.ts";

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

export type ProjectSet = Partial<
  Pick<Project, "name" | "description" | "slug" | "defaultWorkflowTemplateId" | "defaultActorId" | "memory" | "status">
>;
export type ProjectCreate = Writable<Project, "organizationId" | "name", "description" | "slug" | "memory">;

export interface ProjectWorkstation {
  id: string;
  projectId: string;
  workstationId: string;
  canReceiveTasks: boolean;
  priority: number;
  createdAt: string;
  updatedAt: string;
}

export type ProjectWorkstationSet = Partial<Pick<ProjectWorkstation, "canReceiveTasks" | "priority">>;
export type ProjectWorkstationCreate = Writable<
  ProjectWorkstation,
  "projectId" | "workstationId",
  "canReceiveTasks" | "priority"
>;

/** Attaches a workstation, or changes the attachment that is there: only what is given. */
export type WorkstationAttach = ProjectWorkstationCreate;
export interface WorkstationDetach {
  projectId: string;
  workstationId: string;
}
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
  "projects.attachWorkstation": { params: WorkstationAttach; result: ProjectWorkstation };
  /** Answers with the attachment's id; `not_found` where there is none. */
  "projects.detachWorkstation": { params: WorkstationDetach; result: { id: string } };
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
