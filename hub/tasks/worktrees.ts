import { ask, type Statements } from "../statements.ts";

/**
 * Gives back the worktree of a session that ends; the session keeps it as history. To be called once, by whoever ends the
 * session, in the same transaction.
 */
export async function releaseWorktreeOf(sql: Statements, sessionId: string): Promise<void> {
  await ask(
    sql,
    `UPDATE git_worktrees SET active_task_count = greatest(0, active_task_count - 1), last_used_at = clock_timestamp()
    WHERE id = (SELECT worktree_id FROM agent_sessions WHERE id = $1)`,
    [sessionId],
  );
}
