import { pino } from "pino";
import { ulid } from "ulid";
import { Authorizer } from "../../../hub/auth/authorizer.ts";
import type { Principal } from "../../../hub/auth/principal.ts";
import type { RpcRouter } from "../../../hub/rpc/call.ts";
import { createRpcRouter } from "../../../hub/rpc/router/router.ts";
import { Database } from "../../../hub/store/database.ts";
import { PostgresFacts } from "../../../hub/store/facts.ts";
import { Dispatcher } from "../../../hub/tasks/dispatcher.ts";
import { WorkSweeper } from "../../../hub/tasks/sweeper.ts";
import { loneNode } from "../../support/lone-node.ts";

/** Short timeouts, so that a run takes seconds. */
export const TIMES = { startTimeoutMs: 250, sessionTimeoutMs: 250, avoidMs: 40 };
const log = pino({ level: "silent" });

/** The parts of a hub that assign tasks, with their own connections. */
export interface DispatchingHub {
  router: RpcRouter;
  database: Database;
  close(): Promise<void>;
}

/** `sabotaged`: nothing is locked, neither rows nor rounds. */
export function startDispatching(info: ConstructorParameters<typeof Database>[0], sabotaged: boolean): DispatchingHub {
  const database = new (sabotaged ? UnlockedDatabase : Database)({ ...info, max: 6 });
  const authorizer = new Authorizer({ source: new PostgresFacts(database, log), cacheMs: 500, outageMs: 5_000 });
  const router = createRpcRouter({
    database,
    authorizer,
    ...loneNode(authorizer, log),
    onTouched: () => undefined,
    onProgress: () => undefined,
    log,
  });
  const dispatcher = new Dispatcher({ database, avoidMs: TIMES.avoidMs, pollMs: 25, log });
  const sweeper = new WorkSweeper({ database, ...TIMES, intervalMs: 50, log });
  dispatcher.start();
  sweeper.start();
  const close = async () => {
    await Promise.all([dispatcher.close(), sweeper.close()]);
    await database.close();
  };
  return { router, database, close };
}

/** A database whose rows can't be locked, to simulate a mistake in the statements. */
class UnlockedDatabase extends Database {
  override transaction<Result>(principal: string, work: Parameters<Database["transaction"]>[1]): Promise<Result> {
    const unlocked: typeof work = (sql) => {
      const unsafe: typeof sql.unsafe = (text, ...rest) =>
        sql.unsafe(
          text
            .replace(/FOR NO KEY UPDATE(?: OF \w+)?(?: SKIP LOCKED)?/g, "")
            .replace(/pg_try_advisory_xact_lock\([^)]*\)\)/, "$1 IS NOT NULL AND $2::text IS NOT NULL"),
          ...rest,
        );
      return work(new Proxy(sql, { get: (target, name) => (name === "unsafe" ? unsafe : Reflect.get(target, name)) }));
    };
    return super.transaction(principal, unlocked) as Promise<Result>;
  }
}

export interface AgentPlan {
  workstation: number;
  limit: number;
}
export interface TaskPlan {
  priority: number;
  repository: number | null;
  /** Indexes of the only agents that may take it. */
  allowed: readonly number[];
  /** Index of an earlier task that it depends on. */
  after: number | null;
}
export interface Plan {
  workstations: number;
  agents: readonly AgentPlan[];
  repositoryLimits: readonly number[];
  tasks: readonly TaskPlan[];
}

/** The rows of a plan, by their indexes in it. */
export interface Rows {
  projectId: string;
  workstationIds: string[];
  agentIds: string[];
  repositoryIds: string[];
  taskIds: string[];
}

const WORKFLOW = [{ mode: "execute", requireReview: false }];

export async function makeRows(database: Database, plan: Plan): Promise<Rows> {
  const [organizationId, projectId] = [`org_${ulid()}`, `proj_${ulid()}`];
  const ids = (prefix: string, count: number) => Array.from({ length: count }, () => `${prefix}_${ulid()}`);
  const rows: Rows = {
    projectId,
    workstationIds: ids("ws", plan.workstations),
    agentIds: ids("agent", plan.agents.length),
    repositoryIds: ids("repo", plan.repositoryLimits.length),
    taskIds: ids("task", plan.tasks.length),
  };
  await database.transaction("test", async (sql) => {
    await sql`INSERT INTO organizations (id, name, slug) VALUES (${organizationId}, 'O', ${ulid().toLowerCase()})`;
    await sql`INSERT INTO projects (id, organization_id, name) VALUES (${projectId}, ${organizationId}, 'P')`;
    for (const id of rows.workstationIds) {
      await sql`INSERT INTO workstations (id, organization_id, name, status, last_seen_at, registration_token)
        VALUES (${id}, ${organizationId}, 'W', 'online', now(), ${digestOf(id)})`;
      await sql`INSERT INTO project_workstations (id, project_id, workstation_id) VALUES (${`projws_${ulid()}`}, ${projectId}, ${id})`;
    }
    for (const [n, { workstation, limit }] of plan.agents.entries())
      await sql`INSERT INTO agents (id, workstation_id, type, name, max_concurrency_limit)
        VALUES (${rows.agentIds[n] ?? ""}, ${rows.workstationIds[workstation] ?? ""}, 'custom', ${`${n}`}, ${limit})`;
    for (const [n, limit] of plan.repositoryLimits.entries())
      await sql`INSERT INTO project_repositories (id, project_id, name, github_url, max_concurrent_tasks)
        VALUES (${rows.repositoryIds[n] ?? ""}, ${projectId}, 'R', ${`https://github.com/a/${n}`}, ${limit})`;
    for (const [n, { priority, repository }] of plan.tasks.entries())
      await sql`INSERT INTO tasks (id, project_id, title, priority, list_order, mode, workflow_config, project_repository_id)
        VALUES (${rows.taskIds[n] ?? ""}, ${projectId}, ${`${n}`}, ${priority}, ${n}, 'execute', ${JSON.stringify(WORKFLOW)}::text::jsonb,
          ${repository === null ? null : (rows.repositoryIds[repository] ?? null)})`;
    for (const [n, { allowed, after }] of plan.tasks.entries()) {
      const taskId = rows.taskIds[n] ?? "";
      for (const agent of allowed)
        await sql`INSERT INTO task_agents (id, task_id, agent_id) VALUES (${`taskagent_${ulid()}`}, ${taskId}, ${rows.agentIds[agent] ?? ""})`;
      if (after !== null)
        await sql`INSERT INTO task_dependencies (id, task_id, depends_on_task_id) VALUES (${`taskdep_${ulid()}`}, ${taskId}, ${rows.taskIds[after] ?? ""})`;
    }
  });
  return rows;
}

/** Registration tokens are stored as digests. These workstations need no token. */
export function digestOf(workstationId: string): string {
  return Buffer.from(workstationId.padEnd(32, "-").slice(-32)).toString("hex");
}

export function principalOf(workstationId: string): Principal {
  return { kind: "workstation", id: workstationId, tokenDigest: digestOf(workstationId) };
}
