import { ulid } from "ulid";
import type { GitWorktree } from "../../client-sdk/protocol/index.ts";
import type { Principal } from "../../hub/auth/principal.ts";
import { addMachine } from "./on-site.ts";
import { type Tenant, type World, withWorld } from "./rpc-world.ts";

/** A repository of the tenant's project with a ready clone on its workstation; the tenant's task uses it. */
export interface WorktreeSite {
  repositoryId: string;
  /** Calls as the workstation. */
  acquire(branch: string, sessionId?: string): Promise<GitWorktree>;
  release(id: string): Promise<GitWorktree>;
  /** A session row of the tenant's agent, without an effect on the task. */
  session(more?: object): Promise<string>;
  count(id: string): Promise<number>;
  /** For each worktree id, the open sessions and the additional holds. */
  recount(): Promise<Map<string, { sessions: number; beyond: number }>>;
}

export async function withWorktreeSite(
  body: (world: World, ours: Tenant, site: WorktreeSite) => Promise<void>,
): Promise<void> {
  await withWorld(async (world) => {
    const { ours, call, database } = world;
    const { projectId, workstationId, workstation, member, taskId, agentId } = ours;
    const repository = { projectId, name: "R", githubUrl: "https://github.com/acme/app", maxConcurrentTasks: 0 };
    const { id: projectRepositoryId } = await call(ours.admin, "projectRepositories.create", repository);
    await call(member, "tasks.update", { id: taskId, set: { projectRepositoryId } });
    const report = { projectRepositoryId, mainPath: "/src/app", cloneStatus: "ready" } as const;
    await call(workstation, "workstationRepositories.report", report);
    await body(world, ours, {
      repositoryId: projectRepositoryId,
      acquire: (branch, sessionId) =>
        call(workstation, "gitWorktrees.acquire", {
          workstationId,
          projectRepositoryId,
          branch,
          ...(sessionId === undefined ? {} : { sessionId }),
        }),
      release: (id) => call(workstation, "gitWorktrees.release", { id }),
      session: async (more = {}) => (await call(workstation, "agentSessions.create", { taskId, agentId, ...more })).id,
      count: async (id) => (await call(member, "gitWorktrees.get", { id })).activeTaskCount,
      async recount() {
        const rows = await database.query(
          (sql) => sql<{ id: string; sessions: number; beyond: number }[]>`
            SELECT w.id, count(s.id)::int AS sessions, w.active_task_count - count(s.id)::int AS beyond
            FROM git_worktrees w LEFT JOIN agent_sessions s ON s.worktree_id = w.id AND s.status IN ('starting', 'active')
            GROUP BY w.id`,
        );
        return new Map(rows.map(({ id, ...counted }) => [id, counted]));
      },
    });
  });
}

/** Another workstation of the tenant's organization, attached to its project, with an agent. */
export async function neighbourOf({ call, database }: World, ours: Tenant): Promise<Principal & { agentId: string }> {
  const machine = await addMachine(database, ours);
  const agentId = `agent_${ulid()}`;
  await call(ours.admin, "projects.attachWorkstation", { projectId: ours.projectId, workstationId: machine.id });
  await database.transaction(
    "test",
    (sql) => sql`INSERT INTO agents (id, workstation_id, type, name) VALUES (${agentId}, ${machine.id}, 'cursor', 'N')`,
  );
  return { ...machine, agentId };
}
