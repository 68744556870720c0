import { newId } from "../kernel/ids.ts";
import { runSql, type Transaction } from "../kernel/statements.ts";
import { conflict } from "./conflict.ts";

/** Days after which an unused worktree counts as stale. */
export const STALE_DAYS = 7;

/** A locked clone, so that its worktrees are acquired one after the other. */
export interface Clone {
  id: string;
  mainPath: string;
  /** The branch that is checked out in the clone itself. */
  mainBranch: string;
}

/**
 * Acquires a worktree for the branch: the branch's own, else a vacant one that gets the branch, else a new one beside
 * the clone. Increments its task count and returns its id. Throws `conflict` for the branch of the clone itself.
 */
export async function acquireWorktree(sql: Transaction, clone: Clone, branch: string): Promise<string> {
  refuseBranchOfClone(clone, branch);
  const own = await take(sql, "workstation_repository_id = $1 AND branch = $2", [clone.id, branch], "");
  if (own !== null) return own;
  const vacant = `id = (SELECT id FROM git_worktrees
    WHERE workstation_repository_id = $1 AND status = 'ready' AND active_task_count = 0 AND deleted_at IS NULL
    ORDER BY last_used_at NULLS FIRST, id LIMIT 1 FOR NO KEY UPDATE)`;
  const reused = await take(
    sql,
    vacant,
    [clone.id, branch],
    ", branch = $2, status = 'creating', error_message = NULL",
  );
  return reused ?? makeWorktree(sql, clone, branch);
}

async function take(sql: Transaction, which: string, values: unknown[], further: string): Promise<string | null> {
  const [row] = await runSql<{ id: string }>(
    sql,
    `UPDATE git_worktrees SET active_task_count = active_task_count + 1, last_used_at = clock_timestamp()${further}
    WHERE ${which} RETURNING id`,
    values,
  );
  return row?.id ?? null;
}

async function makeWorktree(sql: Transaction, { id, mainPath }: Clone, branch: string): Promise<string> {
  const taken = await runSql<{ path: string }>(
    sql,
    "SELECT worktree_path AS path FROM git_worktrees WHERE workstation_repository_id = $1",
    [id],
  );
  const path = freePath(
    mainPath,
    branch,
    taken.map(({ path }) => path),
  );
  const worktreeId = `worktree_${newId()}`;
  await runSql(
    sql,
    `INSERT INTO git_worktrees (id, workstation_repository_id, branch, worktree_path, status, active_task_count, last_used_at)
    VALUES ($1, $2, $3, $4, 'creating', 1, clock_timestamp())`,
    [worktreeId, id, branch, path],
  );
  return worktreeId;
}

/**
 * A path beside the clone, named after the branch: `/src/app` and `feature/login` give
 * `/src/app-worktrees/feature-login`. It differs from taken paths by more than case, because `Fix` and `fix` are the
 * same folder on some systems.
 */
export function freePath(mainPath: string, branch: string, taken: readonly string[]): string {
  const folders = new Set(taken.map((path) => path.toLowerCase()));
  const separator = mainPath.includes("\\") && !mainPath.includes("/") ? "\\" : "/";
  const base = `${mainPath.replace(/[\\/]+$/, "")}-worktrees${separator}${branch.replaceAll("/", "-")}`;
  for (let number = 1; ; number += 1) {
    const path = number === 1 ? base : `${base}-${number}`;
    if (!folders.has(path.toLowerCase())) return path;
  }
}

/**
 * Releases the worktree of a session that ends. The session keeps its id as history. The code that ends the session
 * calls this once, in the same transaction.
 */
export async function releaseWorktreeOf(sql: Transaction, sessionId: string): Promise<void> {
  await runSql(sql, `${RELEASE} WHERE id = (SELECT worktree_id FROM agent_sessions WHERE id = $1)`, [sessionId]);
}

/** Whether a session with this status may hold a worktree. */
export function goesOn(status: string): boolean {
  return status === "starting" || status === "active";
}

/** The worktree that a session with these columns holds. Null if it has none or has ended. */
export function heldBy({ status, worktreeId }: { status: string; worktreeId: string | null }): string | null {
  return goesOn(status) ? worktreeId : null;
}

/** Moves a session's hold from one worktree to another, after its row was written directly. Null: no worktree. */
export async function moveHold(sql: Transaction, from: string | null, to: string | null): Promise<void> {
  if (from === to) return;
  if (from !== null) await runSql(sql, `${RELEASE} WHERE id = $1`, [from]);
  if (to !== null) await take(sql, "id = $1", [to], "");
}

/** Releases a hold that was acquired without a session. False if none exists. */
export async function releaseWorktree(sql: Transaction, id: string): Promise<boolean> {
  const [released] = await runSql(
    sql,
    `${RELEASE} WHERE id = $1 AND active_task_count > (SELECT count(*) FROM agent_sessions
      WHERE worktree_id = $1 AND status IN ('starting', 'active')) RETURNING id`,
    [id],
  );
  return released !== undefined;
}

/**
 * Throws `conflict` if the worktree is in use. The caller has locked it, to delete it (`branch` null) or to change its
 * branch.
 */
export async function refuseHeldWorktree(sql: Transaction, id: string, branch: string | null): Promise<void> {
  const [held] = await runSql(
    sql,
    `SELECT FROM git_worktrees WHERE id = $1 AND branch IS DISTINCT FROM $2 AND (active_task_count > 0
      OR EXISTS (SELECT FROM agent_sessions WHERE worktree_id = $1 AND status IN ('starting', 'active')))`,
    [id, branch],
  );
  if (held) throw conflict("held", "This worktree is in use. Wait until its sessions end, or release it first.");
}

/** Throws `conflict` if the clone itself has this branch: git can check a branch out in one place only. */
function refuseBranchOfClone({ mainBranch, mainPath }: Clone, branch: string): void {
  if (branch !== mainBranch) return;
  const message = `The clone itself has the branch ${branch} checked out. Work there, or use another branch.`;
  throw conflict("main_clone", message, { mainPath });
}

const RELEASE =
  "UPDATE git_worktrees SET active_task_count = greatest(0, active_task_count - 1), last_used_at = clock_timestamp()";
