import type { RpcParams, WorktreeAcquire } from "@monster-realtime/client/protocol";
import { z } from "zod";
import { runSql, type Statements } from "../../kernel/statements.ts";
import { conflict } from "../../tasks/conflict.ts";
import {
  acquireWorktree,
  type Clone,
  goesOn,
  releaseWorktree,
  releaseWorktreeOf,
  STALE_DAYS,
} from "../../tasks/worktrees.ts";
import { lock, notFound, parent, read, refuseInactiveProject } from "../crud.ts";
import { agentSessions } from "../entities/agent-sessions.ts";
import { branch } from "../entities/git-names.ts";
import { gitWorktrees } from "../entities/git-worktrees.ts";
import { workstationRepositories } from "../entities/workstation-repositories.ts";
import { workstations } from "../entities/workstations.ts";
import * as field from "../fields.ts";
import { defineProcedure, type WriteContext } from "../procedure.ts";
import { RIGHTS, readScope } from "../rights.ts";
import { cloneOf } from "../sql/lookups.ts";
import type { Parameters } from "../sql/table.ts";

const MAX_STALE = 200;

const acquire = defineProcedure<WorktreeAcquire>({
  method: "gitWorktrees.acquire",
  kind: "write",
  input: field.paramsOf<"gitWorktrees.acquire">()(
    z.strictObject({
      workstationId: field.id("ws"),
      projectRepositoryId: field.id("repo"),
      branch,
      ...field.optional({ sessionId: field.id("session") }),
    }),
  ),
  rights: RIGHTS.gitWorktrees.acquire,
  async handler(context, { workstationId, projectRepositoryId, branch, sessionId }) {
    const { sql, caller } = context;
    // Locks the session before the clone, the order of transactions that end a session.
    if (sessionId !== undefined) await holdOpen(context, sessionId);
    const id = await cloneOf(sql, workstationId, projectRepositoryId);
    if (id === null) throw notFound("clone");
    const place = await lock(workstationRepositories, RIGHTS.gitWorktrees.acquire, { sql, caller }, { id });
    refuseInactiveProject(place);
    const clone = await readyClone(sql, id);
    // Releases first, also for a repeated call, so that the worktree of its branch counts the session once.
    if (sessionId !== undefined) await releaseWorktreeOf(sql, sessionId);
    const worktreeId = await acquireWorktree(sql, clone, branch);
    if (sessionId !== undefined)
      await runSql(sql, "UPDATE agent_sessions SET worktree_id = $2 WHERE id = $1", [sessionId, worktreeId]);
    return { result: await read(gitWorktrees.rows, sql, worktreeId), place };
  },
});

const release = defineProcedure<RpcParams<"gitWorktrees.release">>({
  method: "gitWorktrees.release",
  kind: "write",
  input: field.paramsOf<"gitWorktrees.release">()(field.idParams("worktree")),
  rights: RIGHTS.gitWorktrees.release,
  async handler(context, { id }) {
    const place = await lock(gitWorktrees, RIGHTS.gitWorktrees.release, context, { id });
    if (!(await releaseWorktree(context.sql, id)))
      throw conflict(
        "not_held",
        "Only sessions hold this worktree, or it is not held. Sessions release it when they end.",
      );
    return { result: await read(gitWorktrees.rows, context.sql, id), place };
  },
});

const stale = defineProcedure<RpcParams<"gitWorktrees.stale">>({
  method: "gitWorktrees.stale",
  kind: "read",
  input: field.paramsOf<"gitWorktrees.stale">()(
    z.strictObject({
      workstationId: field.id("ws"),
      ...field.optional({ unusedDays: z.int().min(0).max(3_650) }),
    }),
  ),
  rights: RIGHTS.gitWorktrees.stale,
  async handler({ caller, database }, { workstationId, unusedDays = STALE_DAYS }) {
    const [seen] = await database.query((sql) => workstations.rows.byId(sql, workstationId, readScope(caller)));
    if (!seen) throw notFound("workstation");
    const condition = (parameters: Parameters) =>
      `workstation_repositories.workstation_id = ${parameters.add(workstationId)} AND git_worktrees.active_task_count = 0
        AND coalesce(git_worktrees.last_used_at, git_worktrees.created_at)
          < clock_timestamp() - ${parameters.add(unusedDays)}::int * interval '1 day'`;
    const order = "coalesce(git_worktrees.last_used_at, git_worktrees.created_at), git_worktrees.id";
    const rows = await database.query((sql) =>
      gitWorktrees.rows.meeting(sql, { condition, order, limit: MAX_STALE }, readScope(caller)),
    );
    return { items: rows.map((row) => gitWorktrees.rows.toEntity(row)) };
  },
});

async function readyClone(sql: Statements, id: string): Promise<Clone> {
  const [clone] = await runSql<Clone & { status: string }>(
    sql,
    `SELECT id, main_path AS "mainPath", main_branch AS "mainBranch", clone_status AS status FROM workstation_repositories WHERE id = $1`,
    [id],
  );
  if (clone?.status === "ready") return clone;
  throw conflict("clone", `The clone is ${clone?.status}. Report it as "ready" when it is complete.`);
}

/** Locks the session. Throws `conflict` if it has ended. */
async function holdOpen(context: WriteContext, sessionId: string): Promise<void> {
  await parent(agentSessions, context, sessionId);
  const { status } = await read(agentSessions.rows, context.sql, sessionId);
  if (!goesOn(status)) throw conflict("ended", `The session is ${status}. An ended session can't acquire a worktree.`);
}

export const worktrees = { procedures: [acquire, release, stale] };
