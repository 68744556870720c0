import type { GitWorktree, GitWorktreeCreate, GitWorktreeSet, RpcParams } from "@monster-realtime/client/protocol";
import { z } from "zod";
import { refuseHeldWorktree } from "../../tasks/worktrees.ts";
import { crud, type Entity, parent, refuseInactiveProject } from "../crud.ts";
import * as field from "../fields.ts";
import { RIGHTS } from "../rights.ts";
import { removing } from "../sql/deletions.ts";
import { EntityRows } from "../sql/rows.ts";
import type { EntityTable } from "../sql/table.ts";
import { branch, folder } from "./git-names.ts";
import { workstationRepositories } from "./workstation-repositories.ts";

const STATUSES = ["creating", "ready", "busy", "error"] as const;

const clones = workstationRepositories.rows.table;
const table: EntityTable<GitWorktree> = {
  table: "git_worktrees",
  columns: {
    id: "plain",
    workstationRepositoryId: "plain",
    branch: "plain",
    worktreePath: "plain",
    status: "plain",
    errorMessage: "plain",
    lastUsedAt: "timestamp",
    activeTaskCount: "plain",
    createdAt: "timestamp",
    updatedAt: "timestamp",
  },
  joins: `JOIN workstation_repositories ON workstation_repositories.id = git_worktrees.workstation_repository_id
    ${clones.joins}`,
  visible: `git_worktrees.deleted_at IS NULL AND ${clones.visible}`,
  projectId: clones.projectId,
  workstationId: clones.workstationId,
  readableBy: clones.readableBy,
  inProject: clones.inProject,
  sort: [{ field: "id" }],
};

const required = { branch, worktreePath: folder };
const settings = {
  status: field.oneOf<GitWorktree["status"]>(STATUSES),
  errorMessage: field.longText.nullable(),
  lastUsedAt: field.timestamp.nullable(),
};

const entity: Entity<
  GitWorktree,
  NonNullable<RpcParams<"gitWorktrees.list">["filter"]>,
  GitWorktreeCreate,
  GitWorktreeSet
> = {
  name: "gitWorktrees",
  noun: "worktree",
  idPrefix: "worktree",
  rows: new EntityRows(table),
  rights: RIGHTS.gitWorktrees,
  schemas: {
    list: field.paramsOf<"gitWorktrees.list">()(
      field.listParams({ workstationRepositoryId: field.id("wsrepo"), status: field.oneOf<string>(STATUSES) }),
    ),
    get: field.paramsOf<"gitWorktrees.get">()(field.idParams("worktree")),
    create: field.paramsOf<"gitWorktrees.create">()(
      z.strictObject({ workstationRepositoryId: field.id("wsrepo"), ...required, ...field.optional(settings) }),
    ),
    update: field.paramsOf<"gitWorktrees.update">()(field.updateParams("worktree", { ...required, ...settings })),
    delete: field.paramsOf<"gitWorktrees.delete">()(field.deleteParams("worktree")),
  },
  async placeOf(context, { workstationRepositoryId }) {
    const clone = await parent(workstationRepositories, context, workstationRepositoryId);
    refuseInactiveProject(clone);
    return clone;
  },
  async guard({ sql }, { id }, set) {
    if (set === null || set.branch !== undefined) await refuseHeldWorktree(sql, id, set?.branch ?? null);
  },
  removed: removing("git_worktrees"),
  touched: () => [],
};

export const gitWorktrees = { ...entity, procedures: crud(entity) };
