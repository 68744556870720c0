import type { Client } from "../client.ts";
import { RealtimeError } from "../errors.ts";
import type { GitWorktree, WorktreeAcquire } from "../protocol/index.ts";
import { ulid } from "../ulid.ts";
import { persistently } from "./persistently.ts";

/** Where to work on a branch. */
export interface Workplace {
  branch: string;
  /** The folder. A worktree of status `creating` is not there yet: `git worktree add` makes it, or gives it this branch. */
  path: string;
  /** Null where the clone itself has the branch checked out: the folder is the clone's then, and not held. */
  worktree: GitWorktree | null;
}

/** Waits for the hub where it is away. Rejects as `gitWorktrees.acquire` does, but where the clone itself has the branch. */
export async function acquireWorkplace(
  client: Client,
  params: WorktreeAcquire,
  signal?: AbortSignal,
): Promise<Workplace> {
  const { branch } = params;
  const idempotencyKey = ulid();
  const options = { idempotencyKey, ...(signal ? { signal } : {}) };
  try {
    const call = () => client.rpc("gitWorktrees.acquire", params, options);
    const worktree = await persistently({ client, signal }, call);
    return { branch, path: worktree.worktreePath, worktree };
  } catch (thrown) {
    const path = mainPathIn(thrown);
    if (path === null) throw thrown;
    return { branch, path, worktree: null };
  }
}

/** Gives back what was acquired without a task; the clone itself is nobody's to give. */
export async function releaseWorkplace(client: Client, { worktree }: Workplace): Promise<void> {
  if (!worktree) return;
  const [params, idempotencyKey] = [{ id: worktree.id }, ulid()];
  await persistently({ client }, () => client.rpc("gitWorktrees.release", params, { idempotencyKey }));
}

function mainPathIn(thrown: unknown): string | null {
  const { obstacle, mainPath } = (thrown instanceof RealtimeError ? (thrown.details ?? {}) : {}) as Obstacle;
  return obstacle === "main_clone" && typeof mainPath === "string" ? mainPath : null;
}

interface Obstacle {
  obstacle?: unknown;
  mainPath?: unknown;
}
