import type {
  ProjectRepository,
  ProjectRepositoryCreate,
  ProjectRepositorySet,
  RpcParams,
} from "@monster-realtime/client/protocol";
import { z } from "zod";
import { crud, type Entity } from "../crud.ts";
import * as field from "../fields.ts";
import { RIGHTS } from "../rights.ts";
import { removing } from "../sql/deletions.ts";
import { EntityRows } from "../sql/rows.ts";
import type { EntityTable } from "../sql/table.ts";
import { branch, ownerAndRepo, repositoryUrl } from "./git-names.ts";
import { ofProject, projectOf } from "./of-project.ts";

const STATUSES = ["active", "inactive", "error"] as const;
const MAX_CONCURRENCY = 1_000_000;

const table: EntityTable<ProjectRepository> = {
  ...ofProject("project_repositories"),
  table: "project_repositories",
  columns: {
    id: "plain",
    projectId: "plain",
    name: "plain",
    githubUrl: "plain",
    githubOwner: "plain",
    githubRepo: "plain",
    defaultBranch: "plain",
    maxConcurrentTasks: "plain",
    status: "plain",
    lastAccessedAt: "timestamp",
    createdAt: "timestamp",
    updatedAt: "timestamp",
  },
};

const required = { name: field.filledText(255), githubUrl: repositoryUrl };
const settings = {
  defaultBranch: branch,
  maxConcurrentTasks: z.int().min(0).max(MAX_CONCURRENCY),
  status: field.oneOf<ProjectRepository["status"]>(STATUSES),
  lastAccessedAt: field.timestamp.nullable(),
};

const entity: Entity<
  ProjectRepository,
  NonNullable<RpcParams<"projectRepositories.list">["filter"]>,
  ProjectRepositoryCreate,
  ProjectRepositorySet
> = {
  name: "projectRepositories",
  noun: "repository",
  idPrefix: "repo",
  rows: new EntityRows(table),
  rights: RIGHTS.projectRepositories,
  schemas: {
    list: field.paramsOf<"projectRepositories.list">()(field.listParams({ githubUrl: z.string() })),
    get: field.paramsOf<"projectRepositories.get">()(field.idParams("repo")),
    create: field.paramsOf<"projectRepositories.create">()(
      z.strictObject({ projectId: field.id("proj"), ...required, ...field.optional(settings) }),
    ),
    update: field.paramsOf<"projectRepositories.update">()(field.updateParams("repo", { ...required, ...settings })),
    delete: field.paramsOf<"projectRepositories.delete">()(field.deleteParams("repo")),
  },
  placeOf: projectOf,
  completed: async (_, input) => named(input),
  implied: named,
  removed: removing("project_repositories"),
  touched: () => [],
};

function named({ githubUrl }: ProjectRepositorySet): ReadonlyMap<string, unknown> {
  return new Map(Object.entries(githubUrl === undefined ? {} : (ownerAndRepo(githubUrl) ?? {})));
}

export const projectRepositories = { ...entity, procedures: crud(entity) };
