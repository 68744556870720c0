import type { PendingQuery } from "postgres";
import { runSql, type Statements, type Transaction } from "../kernel/statements.ts";
import { ADVISORY_LOCK_PAIRS } from "../store/advisory-locks.ts";
import { freeAgent } from "./assign.ts";
import { lockAgents, lockRepositories, OPEN_LISTS } from "./facts.ts";
import { give } from "./giving.ts";
import { match } from "./matching.ts";
import { lockWaiting } from "./waiting.ts";

/** Tasks examined at a time: enough to be fast, few enough to keep transactions short. */
const BATCH = 50;

/** Whether the dispatcher assigns tasks of the project `p`. */
const IS_SERVED = `p.status = 'active' AND p.deleted_at IS NULL
  AND EXISTS (SELECT FROM organizations o WHERE o.id = p.organization_id AND o.deleted_at IS NULL)`;

/** The result of a round: how many tasks it assigned, and whether another round may assign more. */
export interface Round {
  given: number;
  more: boolean;
}

/**
 * Runs one dispatch round of a project: assigns its first waiting tasks to free agents. Null if another hub runs a
 * round of this project. The advisory lock only avoids duplicate work. The row locks prevent a double assignment or an
 * overloaded agent.
 */
export async function dispatchRound(sql: Transaction, projectId: string, avoidMs: number): Promise<Round | null> {
  const [turn] = await runSql<{ locked: boolean }>(
    sql,
    "SELECT pg_try_advisory_xact_lock($1, hashtext($2)) AS locked",
    [ADVISORY_LOCK_PAIRS.dispatch, projectId],
    true,
  );
  if (!turn?.locked) return null;
  const [project] = await runSql(sql, `SELECT FROM projects p WHERE p.id = $1 AND ${IS_SERVED}`, [projectId], true);
  if (!project) return { given: 0, more: false };
  const agents = await lockAgents(sql, { projectId, ready: true, locked: "skip" });
  let free = agents.map(freeAgent).filter(({ room }) => room > 0);
  if (free.length === 0) return { given: 0, more: false };
  const repositoryRoom = new Map(await lockRepositories(sql, projectId, "skip"));
  const passedOver: string[] = [];
  for (;;) {
    const { seen, tasks } = await lockWaiting(sql, {
      projectId,
      limit: BATCH,
      agentIds: free.map(({ id }) => id),
      fullRepositoryIds: [...repositoryRoom].filter(([, room]) => room <= 0).map(([id]) => id),
      passedOver,
      avoidMs,
    });
    const matches = match(tasks, free, repositoryRoom);
    if (matches.length > 0) {
      await give(sql, matches, "dispatched");
      return { given: matches.length, more: true };
    }
    // No free agent can take these tasks, but one may take later tasks.
    if (seen.length < BATCH) return { given: 0, more: false };
    passedOver.push(...seen);
    free = free.filter(({ room }) => room > 0);
  }
}

/** Projects with a waiting task and an online workstation: those where a round may assign a task. */
export function waitingProjects(sql: Statements): PendingQuery<{ id: string }[]> {
  return runSql<{ id: string }>(
    sql,
    `SELECT p.id FROM projects p WHERE ${IS_SERVED}
      AND EXISTS (SELECT FROM tasks t WHERE t.project_id = p.id AND t.ready AND t.agent_session_status = 'INACTIVE'
        AND t.list = ANY($1::text[]::task_list[]))
      AND EXISTS (SELECT FROM project_workstations pw JOIN workstations w ON w.id = pw.workstation_id
        WHERE pw.project_id = p.id AND pw.can_receive_tasks AND w.status = 'online' AND w.deleted_at IS NULL)`,
    [[...OPEN_LISTS]],
    true,
  );
}

/** The projects from which these workstations receive tasks. */
export function projectsOf(sql: Statements, workstationIds: readonly string[]): PendingQuery<{ id: string }[]> {
  return runSql<{ id: string }>(
    sql,
    "SELECT DISTINCT project_id AS id FROM project_workstations WHERE workstation_id = ANY($1::text[]) AND can_receive_tasks",
    [[...workstationIds]],
    true,
  );
}
