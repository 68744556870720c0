import { runSql, type Transaction } from "../kernel/statements.ts";
import { OPEN_LISTS } from "./facts.ts";
import type { WaitingTask } from "./matching.ts";

/** SQL: whether an active dependency blocks the task of this alias. */
export const isBlocked = (task: string): string => `EXISTS (SELECT FROM task_dependencies d
  JOIN tasks blocker ON blocker.id = d.depends_on_task_id AND blocker.deleted_at IS NULL
  WHERE d.task_id = ${task}.id AND d.dependency_type = 'blocks' AND d.status = 'active')`;

export interface WaitingQuery {
  projectId: string;
  limit: number;
  /** Agents that can take a task. */
  agentIds: readonly string[];
  /** Repositories that can't take another task. */
  fullRepositoryIds: readonly string[];
  /** Tasks that were already examined. */
  passedOver: readonly string[];
  /** How long an agent does not get a task again that it refused or failed. */
  avoidMs: number;
}

/**
 * Locks and returns the next tasks that one of these agents might take, in dispatch order: by priority, then looping
 * tasks last, then by position on the board. Skips tasks that another transaction has locked.
 */
export async function lockWaiting(
  sql: Transaction,
  query: WaitingQuery,
): Promise<{ seen: string[]; tasks: WaitingTask[] }> {
  const { projectId, limit, agentIds, fullRepositoryIds, passedOver, avoidMs } = query;
  const seen = await runSql<{ id: string }>(
    sql,
    `SELECT id FROM (${OPEN_LISTS.map(fromList).join(" UNION ALL ")}) AS waiting
    ORDER BY priority DESC, list = 'loop', list_order, created_at, id LIMIT $2`,
    [projectId, limit, [...agentIds], [...fullRepositoryIds], [...passedOver]],
    true,
  );
  const ids = seen.map(({ id }) => id);
  const held = await runSql<{ id: string; repositoryId: string | null; tried: boolean }>(
    sql,
    `SELECT id, project_repository_id AS "repositoryId", last_agent_session_id IS NOT NULL AS tried FROM tasks
    WHERE id = ANY($1::text[]) AND project_id = $2 AND ready AND agent_session_status = 'INACTIVE' AND list = ANY($3::text[]::task_list[])
    FOR NO KEY UPDATE SKIP LOCKED`,
    [ids, projectId, [...OPEN_LISTS]],
    true,
  );
  const repositories = new Map(held.map(({ id, repositoryId }) => [id, repositoryId]));
  const details = await detailsOf(sql, held, avoidMs);
  const tasks = ids.flatMap((id) => {
    const detail = details.get(id);
    return detail && !detail.blocked ? [{ id, repositoryId: repositories.get(id) ?? null, ...detail }] : [];
  });
  return { seen: ids, tasks };
}

/** One query per list, because the board's index returns each list in this order. */
function fromList(list: string): string {
  return `(SELECT id, priority, list, list_order, created_at FROM tasks t
    WHERE project_id = $1 AND list = '${list}' AND ready AND agent_session_status = 'INACTIVE'
      AND (project_repository_id IS NULL OR project_repository_id <> ALL($4::text[])) AND id <> ALL($5::text[])
      AND (NOT EXISTS (SELECT FROM task_agents a WHERE a.task_id = t.id)
        OR EXISTS (SELECT FROM task_agents a WHERE a.task_id = t.id AND a.agent_id = ANY($3::text[])))
      AND NOT ${isBlocked("t")}
    ORDER BY priority DESC, list_order, created_at, id LIMIT $2)`;
}

interface TaskDetail {
  blocked: boolean;
  allowed: ReadonlyMap<string, number> | null;
  avoided: ReadonlySet<string>;
}

/** Runs after the lock, so that it sees changes committed while the lock was awaited. */
export async function detailsOf(
  sql: Transaction,
  tasks: readonly { id: string; tried: boolean }[],
  avoidMs: number,
): Promise<ReadonlyMap<string, TaskDetail>> {
  const rows = await runSql<{
    id: string;
    blocked: boolean;
    allowed: Record<string, number> | null;
    avoided: string[];
  }>(
    sql,
    `SELECT t.id, ${isBlocked("t")} AS blocked,
      (SELECT jsonb_object_agg(a.agent_id, a.priority) FROM task_agents a WHERE a.task_id = t.id) AS allowed,
      CASE WHEN t.id = ANY($2::text[]) THEN ARRAY(SELECT s.agent_id FROM agent_sessions s
        WHERE s.task_id = t.id AND s.status IN ('failed', 'timeout') AND s.end_reason IS DISTINCT FROM 'cancelled'
          AND s.ended_at > clock_timestamp() - $3 * interval '1 millisecond') ELSE '{}' END AS avoided
    FROM unnest($1::text[]) AS t (id)`,
    [tasks.map(({ id }) => id), tasks.filter(({ tried }) => tried).map(({ id }) => id), avoidMs],
  );
  return new Map(
    rows.map(({ id, blocked, allowed, avoided }) => [
      id,
      { blocked, allowed: allowed && new Map(Object.entries(allowed)), avoided: new Set(avoided) },
    ]),
  );
}
