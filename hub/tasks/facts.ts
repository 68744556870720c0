import type { PendingQuery } from "postgres";
import { runSql, type Statements, type Transaction } from "../kernel/statements.ts";

/** Lists whose tasks are assigned to agents. Tasks in `review` wait for people. */
export const OPEN_LISTS = ["todo", "doing", "loop"] as const;

/** An agent of a project with everything that decides whether it can take a task. */
export interface AgentFacts {
  id: string;
  workstationId: string;
  /** Maximum concurrent tasks; 0: unlimited. */
  limit: number;
  /** Its current tasks. */
  running: number;
  /** Its workstation's priority in the project: lower first. */
  priority: number;
  canReceive: boolean;
  present: boolean;
  /** `available` if its rate limit has expired. */
  status: string;
  /** Milliseconds since 1970; null: never. */
  pushedAtMs: number | null;
}

/** Which agents to lock, and whether to skip or wait for those that another transaction has locked. */
export interface AgentQuery {
  projectId: string;
  /** Only this agent. */
  agentId?: string;
  /** Only agents that can take tasks, regardless of their current load. */
  ready?: boolean;
  locked: "skip" | "wait";
}

/**
 * Locks and returns the project's agents. No other transaction assigns them a task until this one ends, so their counts
 * stay correct.
 */
export async function lockAgents(sql: Transaction, query: AgentQuery): Promise<AgentFacts[]> {
  const { projectId, agentId = null, ready = false, locked } = query;
  const agents = await runSql<AgentFacts>(
    sql,
    `SELECT a.id, a.workstation_id AS "workstationId", a.max_concurrency_limit AS "limit", 0 AS running, pw.priority,
      pw.can_receive_tasks AS "canReceive", w.status = 'online' AS present,
      CASE WHEN ${limitIsOver("a")} THEN 'available' ELSE a.status::text END AS status,
      (extract(epoch FROM a.last_task_pushed_at) * 1000)::float8 AS "pushedAtMs"
    FROM project_workstations pw JOIN workstations w ON w.id = pw.workstation_id AND w.deleted_at IS NULL
    JOIN agents a ON a.workstation_id = w.id AND a.deleted_at IS NULL
    WHERE pw.project_id = $1 AND ($2::text IS NULL OR a.id = $2)
      AND (NOT $3 OR (pw.can_receive_tasks AND w.status = 'online' AND (a.status IN ('available', 'busy') OR ${limitIsOver("a")})))
    ORDER BY a.id FOR NO KEY UPDATE OF a ${locked === "skip" ? "SKIP LOCKED" : ""}`,
    [projectId, agentId, ready],
    true,
  );
  const counts = await runningOf(
    sql,
    agents.map(({ id }) => id),
  );
  const running = new Map(counts.map(({ id, running }) => [id, running]));
  return agents.map((agent) => ({ ...agent, running: running.get(agent.id) ?? 0 }));
}

/** SQL: whether the rate limit of the agent of this alias has expired. */
export const limitIsOver = (agent: string): string =>
  `(${agent}.status = 'rate_limited' AND ${agent}.rate_limit_reset_at <= clock_timestamp())`;

/** How many more tasks an agent can take. */
export function roomOf({ limit, running }: Pick<AgentFacts, "limit" | "running">): number {
  return limit === 0 ? Number.POSITIVE_INFINITY : Math.max(0, limit - running);
}

/** The number of current tasks of each of these agents. Agents without tasks are omitted. */
export function runningOf(
  sql: Statements,
  agentIds: readonly string[],
): PendingQuery<{ id: string; running: number }[]> {
  return runSql<{ id: string; running: number }>(
    sql,
    `SELECT active_agent_id AS id, count(*)::int AS running FROM tasks
    WHERE active_agent_id = ANY($1::text[]) AND agent_session_status <> 'INACTIVE' GROUP BY active_agent_id`,
    [[...agentIds]],
  );
}

/**
 * How many more tasks each of the project's repositories can take, by id. Locks the repositories, like `lockAgents`.
 * The result omits repositories without a limit. A skipped repository has room for 0 tasks.
 */
export async function lockRepositories(
  sql: Transaction,
  projectId: string,
  locked: "skip" | "wait",
): Promise<ReadonlyMap<string, number>> {
  const limited = await runSql<{ id: string }>(
    sql,
    `SELECT id FROM project_repositories WHERE project_id = $1 AND deleted_at IS NULL AND (max_concurrent_tasks > 0 OR status <> 'active')`,
    [projectId],
    true,
  );
  if (limited.length === 0) return new Map();
  const held = await runSql<{ id: string; limit: number; active: boolean }>(
    sql,
    `SELECT id, max_concurrent_tasks AS "limit", status = 'active' AS active FROM project_repositories
    WHERE project_id = $1 AND id = ANY($2::text[]) ORDER BY id FOR NO KEY UPDATE ${locked === "skip" ? "SKIP LOCKED" : ""}`,
    [projectId, limited.map(({ id }) => id)],
    true,
  );
  const counts = await runSql<{ id: string; running: number }>(
    sql,
    `SELECT project_repository_id AS id, count(*)::int AS running FROM tasks
    WHERE project_id = $1 AND project_repository_id IS NOT NULL AND agent_session_status <> 'INACTIVE'
    GROUP BY project_repository_id`,
    [projectId],
    true,
  );
  const running = new Map(counts.map(({ id, running }) => [id, running]));
  const room = new Map(limited.map(({ id }) => [id, 0]));
  for (const { id, limit, active } of held)
    room.set(id, active ? Math.max(0, (limit || Number.POSITIVE_INFINITY) - (running.get(id) ?? 0)) : 0);
  return room;
}
