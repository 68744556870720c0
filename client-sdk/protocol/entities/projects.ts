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

export type ProjectMethods = Prefixed<
  "projects",
  Crud<Project, Project, { status?: string; slug?: string }, ProjectCreate, ProjectSet>
> &
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
