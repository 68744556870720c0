import type { Crud, Open, Prefixed, Writable } from "./common.ts";
import type { WorktreeAcquire } from "./work.ts";

/** A repository that a project's tasks are about. */
export interface ProjectRepository {
  id: string;
  projectId: string;
  name: string;
  /** `https://<host>/<owner>/<repo>`, or Git's SSH forms of it; never with a password or token. Once a project. */
  githubUrl: string;
  /** This and the next follow from the address. */
  githubOwner: string | null;
  githubRepo: string | null;
  defaultBranch: string;
  /** Tasks at once; 0: as many as there are. */
  maxConcurrentTasks: number;
  status: Open<"active" | "inactive" | "error">;
  lastAccessedAt: string | null;
  createdAt: string;
  updatedAt: string;
}

/** What `projectRepositories.update` may change. */
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
 * A workstation's clone of a repository; one of each. The workstation is attached to the repository's project (`conflict`
 * else), and sees its clones as long as it is.
 */
export interface WorkstationRepository {
  id: string;
  workstationId: string;
  projectRepositoryId: string;
  /** The folder of the main clone, on the workstation. */
  mainPath: string;
  mainBranch: string;
  cloneStatus: Open<"cloning" | "ready" | "error">;
  cloneError: string | null;
  lastSyncedAt: string | null;
  createdAt: string;
  updatedAt: string;
}

/** What `workstationRepositories.update` may change. */
export type WorkstationRepositorySet = Partial<
  Pick<WorkstationRepository, "mainPath" | "mainBranch" | "cloneStatus" | "cloneError" | "lastSyncedAt">
>;
/** A new clone. Workstations use `workstationRepositories.report` instead. */
export type WorkstationRepositoryCreate = Writable<
  WorkstationRepository,
  "workstationId" | "projectRepositoryId" | "mainPath",
  "mainBranch" | "cloneStatus" | "cloneError" | "lastSyncedAt"
>;

/** A folder beside a clone with another branch checked out; one of each branch. */
export interface GitWorktree {
  id: string;
  workstationRepositoryId: string;
  branch: string;
  worktreePath: string;
  status: Open<"creating" | "ready" | "busy" | "error">;
  errorMessage: string | null;
  lastUsedAt: string | null;
  /** Open sessions of this worktree, and acquires without a session that were not released. The hub keeps it: no method takes it. */
  activeTaskCount: number;
  createdAt: string;
  updatedAt: string;
}

/** What `gitWorktrees.update` may change. */
export type GitWorktreeSet = Partial<
  Pick<GitWorktree, "branch" | "worktreePath" | "status" | "errorMessage" | "lastUsedAt">
>;
/** A new worktree. `gitWorktrees.acquire` finds or makes one. */
export type GitWorktreeCreate = Writable<
  GitWorktree,
  "workstationRepositoryId" | "branch" | "worktreePath",
  "status" | "errorMessage" | "lastUsedAt"
>;

interface WorktreeVerbs {
  /**
   * A worktree of the branch on the workstation's clone: the branch's own, else a vacant one that is given the branch (its
   * status `creating` says that the workstation has to check it out), else a new row. Vacant is what is `ready` and nobody
   * holds, the one left for longest first. A session that asks again for its branch gets the same and counts once; for
   * another branch, it gives back what it held. `not_found` without a clone there; `conflict` where the clone is not
   * `ready`, the clone itself has the branch checked out (`details.obstacle` is `main_clone`, `details.mainPath` says where
   * to work then), or the session has ended or is another workstation's or repository's.
   */
  "gitWorktrees.acquire": { params: WorktreeAcquire; result: GitWorktree };
  /** Gives back what was acquired without a session, once; `conflict` where only sessions hold it, or nobody. */
  "gitWorktrees.release": { params: { id: string }; result: GitWorktree };
  /**
   * Worktrees that nobody holds or used for `unusedDays` (0–3,650; 7 where it is missing): their folders may go, and then
   * their rows. At most 200, those left for longest first.
   */
  "gitWorktrees.stale": { params: { workstationId: string; unusedDays?: number }; result: { items: GitWorktree[] } };
}

/** Deleting a repository deletes its clones, deleting a clone its worktrees: what the hub knows of them, not the files. */
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
