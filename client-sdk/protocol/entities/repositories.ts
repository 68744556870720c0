import type { Crud, Open, Prefixed, Writable } from "./common.ts";

/** A repository of a project's tasks. */
export interface ProjectRepository {
  id: string;
  projectId: string;
  name: string;
  /** `https://<host>/<owner>/<repo>`, or an SSH form of it, without password or token. Unique in the project. */
  githubUrl: string;
  /** Owner and repo are derived from the address. */
  githubOwner: string | null;
  githubRepo: string | null;
  defaultBranch: string;
  /** The maximum number of concurrent tasks; 0: no limit. */
  maxConcurrentTasks: number;
  status: Open<"active" | "inactive" | "error">;
  lastAccessedAt: string | null;
  createdAt: string;
  updatedAt: string;
}

/** The fields that `projectRepositories.update` may change. */
export type ProjectRepositorySet = Partial<
  Pick<ProjectRepository, "name" | "githubUrl" | "defaultBranch" | "maxConcurrentTasks" | "status" | "lastAccessedAt">
>;
/** A new repository of a project. */
export type ProjectRepositoryCreate = Writable<
  ProjectRepository,
  "projectId" | "name" | "githubUrl",
  "defaultBranch" | "maxConcurrentTasks" | "status" | "lastAccessedAt"
>;

/**
 * A workstation's clone of a repository, at most one per repository. The workstation must be attached to the
 * repository's project (`conflict` otherwise), and sees its clones only while it is.
 */
export interface WorkstationRepository {
  id: string;
  workstationId: string;
  projectRepositoryId: string;
  /** The folder of the main clone on the workstation. */
  mainPath: string;
  mainBranch: string;
  cloneStatus: Open<"cloning" | "ready" | "error">;
  cloneError: string | null;
  lastSyncedAt: string | null;
  createdAt: string;
  updatedAt: string;
}

/** The fields that `workstationRepositories.update` may change. */
export type WorkstationRepositorySet = Partial<
  Pick<WorkstationRepository, "mainPath" | "mainBranch" | "cloneStatus" | "cloneError" | "lastSyncedAt">
>;
/** A new clone. Workstations use `workstationRepositories.report` instead. */
export type WorkstationRepositoryCreate = Writable<
  WorkstationRepository,
  "workstationId" | "projectRepositoryId" | "mainPath",
  "mainBranch" | "cloneStatus" | "cloneError" | "lastSyncedAt"
>;

/** A folder beside a clone with another branch checked out, at most one per branch. */
export interface GitWorktree {
  id: string;
  workstationRepositoryId: string;
  branch: string;
  worktreePath: string;
  status: Open<"creating" | "ready" | "busy" | "error">;
  errorMessage: string | null;
  lastUsedAt: string | null;
  /**
   * The number of open sessions in this worktree plus unreleased acquires without a session. Maintained by the hub; no
   * method sets it.
   */
  activeTaskCount: number;
  createdAt: string;
  updatedAt: string;
}

/** The fields that `gitWorktrees.update` may change. */
export type GitWorktreeSet = Partial<
  Pick<GitWorktree, "branch" | "worktreePath" | "status" | "errorMessage" | "lastUsedAt">
>;
/** A new worktree. `gitWorktrees.acquire` finds or creates one. */
export type GitWorktreeCreate = Writable<
  GitWorktree,
  "workstationRepositoryId" | "branch" | "worktreePath",
  "status" | "errorMessage" | "lastUsedAt"
>;

/** The branch to acquire a worktree for. */
export interface WorktreeAcquire {
  workstationId: string;
  projectRepositoryId: string;
  branch: string;
  /** The session that uses it and releases it at its end. Without a session, call `gitWorktrees.release`. */
  sessionId?: string;
}

interface WorktreeVerbs {
  /**
   * Acquires a worktree for the branch on the workstation's clone. It returns the branch's own worktree, else a vacant
   * one that is reassigned, else a new row. Vacant means `ready` and not held; the least recently used comes first.
   * Status `creating` means that the workstation must check the branch out. A session that acquires its branch again
   * gets the same worktree and counts once. Acquiring another branch releases the first. `not_found` if there is no
   * clone. `conflict` if the clone is not `ready`, or the session has ended or belongs to another workstation or
   * repository. `conflict` also if the clone itself has the branch checked out: `details.reason` is then
   * `main_clone`, and `details.mainPath` its folder.
   */
  "gitWorktrees.acquire": { params: WorktreeAcquire; result: GitWorktree };
  /** Releases one acquire without a session. `conflict` if only sessions hold it, or if it is not held. */
  "gitWorktrees.release": { params: { id: string }; result: GitWorktree };
  /**
   * Lists worktrees that were not held or used for `unusedDays` (0–3,650; the default is 7). Delete their folders, then
   * their rows. At most 200, the least recently used first.
   */
  "gitWorktrees.stale": { params: { workstationId: string; unusedDays?: number }; result: { items: GitWorktree[] } };
}

/** Deleting a repository deletes its clones, and deleting a clone its worktrees: the hub's rows, not the files. */
export type RepositoryMethods = WorktreeVerbs &
  Prefixed<
    "projectRepositories",
    Crud<ProjectRepository, ProjectRepository, { githubUrl?: string }, ProjectRepositoryCreate, ProjectRepositorySet>
  > &
  Prefixed<
    "workstationRepositories",
    Crud<
      WorkstationRepository,
      WorkstationRepository,
      { workstationId?: string; projectRepositoryId?: string },
      WorkstationRepositoryCreate,
      WorkstationRepositorySet
    >
  > &
  Prefixed<
    "gitWorktrees",
    Crud<
      GitWorktree,
      GitWorktree,
      { workstationRepositoryId?: string; status?: string },
      GitWorktreeCreate,
      GitWorktreeSet
    >
  >;
