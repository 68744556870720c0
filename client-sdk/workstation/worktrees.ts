import type { Client } from "../client/client.ts";
import { RealtimeError } from "../kernel/errors.ts";
import { ulid } from "../kernel/ulid.ts";
import type { GitWorktree, WorktreeAcquire } from "../protocol/index.ts";
import { persistently } from "./persistently.ts";

/** The folder for work on a branch. */
export interface AcquiredWorktree {
  branch: string;
  /**
   * The folder. A worktree of status `creating` does not exist yet: `git worktree add` creates it, or switches it to
   * this branch.
   */
  path: string;
  /** Null if the clone itself has the branch checked out. The folder is then the clone, and is not held. */
  worktree: GitWorktree | null;
}

/**
 * Waits for a connection. Rejects as `gitWorktrees.acquire` does, unless the clone itself has the branch checked out.
 */
export async function acquireWorktree(
  client: Client,
  params: WorktreeAcquire,
  signal?: AbortSignal,
): Promise<AcquiredWorktree> {
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

/** Releases a worktree that was acquired without a task. The clone itself needs no release. */
export async function releaseWorktree(client: Client, { worktree }: AcquiredWorktree): Promise<void> {
  if (!worktree) return;
  const [params, idempotencyKey] = [{ id: worktree.id }, ulid()];
  await persistently({ client }, () => client.rpc("gitWorktrees.release", params, { idempotencyKey }));
}

function mainPathIn(thrown: unknown): string | null {
  const { reason, mainPath } = (thrown instanceof RealtimeError ? (thrown.details ?? {}) : {}) as ConflictDetails;
  return reason === "main_clone" && typeof mainPath === "string" ? mainPath : null;
}

interface ConflictDetails {
  reason?: unknown;
  mainPath?: unknown;
}
