import type {
  RpcParams,
  WorkstationRepository,
  WorkstationRepositoryCreate,
  WorkstationRepositorySet,
} from "@monster-realtime/client/protocol";
import { z } from "zod";
import { HubError } from "../../kernel/errors.ts";
import { crud, type Entity, notFound, parent, refuseInactiveProject } from "../crud.ts";
import * as field from "../fields.ts";
import { RIGHTS } from "../rights.ts";
import { removing } from "../sql/deletions.ts";
import { attachmentOf } from "../sql/lookups.ts";
import { EntityRows } from "../sql/rows.ts";
import type { EntityTable } from "../sql/table.ts";
import { branch, folder } from "./git-names.ts";
import { projectRepositories } from "./project-repositories.ts";
import { workstations } from "./workstations.ts";

const STATUSES = ["cloning", "ready", "error"] as const;

const table: EntityTable<WorkstationRepository> = {
  table: "workstation_repositories",
  columns: {
    id: "plain",
    workstationId: "plain",
    projectRepositoryId: "plain",
    mainPath: "plain",
    mainBranch: "plain",
    cloneStatus: "plain",
    cloneError: "plain",
    lastSyncedAt: "timestamp",
    createdAt: "timestamp",
    updatedAt: "timestamp",
  },
  joins: `JOIN workstations ON workstations.id = workstation_repositories.workstation_id
    JOIN project_repositories ON project_repositories.id = workstation_repositories.project_repository_id
    JOIN projects ON projects.id = project_repositories.project_id
    JOIN organizations ON organizations.id = projects.organization_id`,
  visible: `workstation_repositories.deleted_at IS NULL AND project_repositories.deleted_at IS NULL
    AND projects.deleted_at IS NULL AND workstations.deleted_at IS NULL AND organizations.deleted_at IS NULL`,
  projectId: "projects.id",
  workstationId: "workstation_repositories.workstation_id",
  // A workstation can't read clones of projects from which it was detached.
  readableBy: (workstation) => `workstation_repositories.workstation_id = ${workstation}
    AND ${projectRepositories.rows.table.readableBy(workstation)}`,
  inProject: (project) => `project_repositories.project_id = ${project}`,
  sort: [{ field: "id" }],
};

const settings = {
  mainBranch: branch,
  cloneStatus: field.oneOf<WorkstationRepository["cloneStatus"]>(STATUSES),
  cloneError: field.longText.nullable(),
  lastSyncedAt: field.timestamp.nullable(),
};

const entity: Entity<
  WorkstationRepository,
  NonNullable<RpcParams<"workstationRepositories.list">["filter"]>,
  WorkstationRepositoryCreate,
  WorkstationRepositorySet
> = {
  name: "workstationRepositories",
  noun: "clone",
  idPrefix: "wsrepo",
  rows: new EntityRows(table),
  rights: RIGHTS.workstationRepositories,
  schemas: {
    list: field.paramsOf<"workstationRepositories.list">()(
      field.listParams({ workstationId: field.id("ws"), projectRepositoryId: field.id("repo") }),
    ),
    get: field.paramsOf<"workstationRepositories.get">()(field.idParams("wsrepo")),
    create: field.paramsOf<"workstationRepositories.create">()(
      z.strictObject({
        workstationId: field.id("ws"),
        projectRepositoryId: field.id("repo"),
        mainPath: folder,
        ...field.optional(settings),
      }),
    ),
    update: field.paramsOf<"workstationRepositories.update">()(
      field.updateParams("wsrepo", { mainPath: folder, ...settings }),
    ),
    delete: field.paramsOf<"workstationRepositories.delete">()(field.deleteParams("wsrepo")),
  },
  async placeOf(context, { workstationId, projectRepositoryId }) {
    const workstation = await parent(workstations, context, workstationId);
    const repository = await parent(projectRepositories, context, projectRepositoryId);
    // The repository belongs to another organization of the caller, not to the workstation's.
    if (repository.organizationId !== workstation.organizationId) throw notFound(projectRepositories.noun);
    refuseInactiveProject(repository);
    const { projectId } = repository;
    if (projectId === null || (await attachmentOf(context.sql, projectId, workstationId)) === null)
      throw new HubError("conflict", "The workstation is not attached to the repository's project. Attach it first.");
    return { ...repository, workstationId };
  },
  removed: removing("workstation_repositories"),
  touched: () => [],
};

export const workstationRepositories = { ...entity, procedures: crud(entity) };
