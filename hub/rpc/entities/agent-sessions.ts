import type {
  AgentSession,
  AgentSessionCreate,
  AgentSessionSet,
  RpcParams,
  TaskMode,
} from "@monster-realtime/client/protocol";
import { z } from "zod";
import { conflict } from "../../tasks/conflict.ts";
import { isTaskIn } from "../../tasks/held-task.ts";
import { heldBy, moveHold } from "../../tasks/worktrees.ts";
import { crud, type Entity, read } from "../crud.ts";
import * as field from "../fields.ts";
import type { WriteContext } from "../procedure.ts";
import { RIGHTS } from "../rights.ts";
import { EntityRows } from "../sql/rows.ts";
import type { EntityTable } from "../sql/table.ts";
import { agentFor, ofTask, taskOf } from "./of-task.ts";
import { MODES } from "./workflow-steps.ts";

const STATUSES = ["starting", "active", "completed", "failed", "timeout"] as const;
const MAX_ATTEMPTS = 1_000_000;

const base = ofTask("agent_sessions");
const table: EntityTable<AgentSession> = {
  ...base,
  table: "agent_sessions",
  columns: {
    id: "plain",
    taskId: "plain",
    agentId: "plain",
    externalSessionId: "plain",
    mode: "plain",
    worktreeId: "plain",
    workingDirectory: "plain",
    status: "plain",
    startReason: "plain",
    endReason: "plain",
    outputSummary: "plain",
    filesChanged: "json",
    commitsMade: "json",
    startedAt: "timestamp",
    endedAt: "timestamp",
    durationSeconds: "plain",
    errorType: "plain",
    errorMessage: "plain",
    recoveryAttempts: "plain",
  },
  longFields: ["outputSummary", "filesChanged", "commitsMade", "errorMessage"],
  joins: `${base.joins}
    JOIN agents ON agents.id = agent_sessions.agent_id`,
  // The agent's workstation writes the session. Sessions of deleted workstations remain as history.
  workstationId: "agents.workstation_id",
};

/** The files that a session changed. */
export const filesChanged = z.array(field.longText);
const sha = z.string().regex(/^[0-9a-f]{4,64}$/, "must be a commit's hash");
export const commitsMade = z.array(z.strictObject({ sha, message: field.longText }));

const settable = {
  externalSessionId: field.text(100).nullable(),
  mode: field.oneOf<TaskMode>(MODES).nullable(),
  worktreeId: field.id("worktree").nullable(),
  workingDirectory: field.longText.nullable(),
  status: field.oneOf<AgentSession["status"]>(STATUSES),
  startReason: field.longText.nullable(),
  endReason: field.longText.nullable(),
  outputSummary: field.longText.nullable(),
  filesChanged: filesChanged.nullable(),
  commitsMade: commitsMade.nullable(),
  startedAt: field.timestamp,
  endedAt: field.timestamp.nullable(),
  errorType: field.text(100).nullable(),
  errorMessage: field.longText.nullable(),
  recoveryAttempts: z.int().min(0).max(MAX_ATTEMPTS),
};

const entity: Entity<
  AgentSession,
  NonNullable<RpcParams<"agentSessions.list">["filter"]>,
  AgentSessionCreate,
  AgentSessionSet
> = {
  name: "agentSessions",
  noun: "session",
  idPrefix: "session",
  rows: new EntityRows(table),
  rights: RIGHTS.agentSessions,
  schemas: {
    list: field.paramsOf<"agentSessions.list">()(
      field.listParams({
        taskId: field.id("task"),
        agentId: field.id("agent"),
        worktreeId: field.id("worktree"),
        status: field.oneOf<string>(STATUSES),
      }),
    ),
    get: field.paramsOf<"agentSessions.get">()(field.idParams("session")),
    create: field.paramsOf<"agentSessions.create">()(
      z.strictObject({ taskId: field.id("task"), agentId: field.id("agent"), ...field.optional(settable) }),
    ),
    update: field.paramsOf<"agentSessions.update">()(field.unversionedUpdateParams("session", settable)),
    delete: field.paramsOf<"agentSessions.delete">()(field.idParams("session")),
  },
  async placeOf(context, { taskId, agentId }) {
    const task = await taskOf(context, taskId);
    const { workstationId } = await agentFor(context, task, agentId);
    return { ...task, workstationId };
  },
  async created({ sql }, id) {
    await moveHold(sql, null, heldBy(await read(entity.rows, sql, id)));
  },
  async guard(context, { id }, set) {
    await refuseWhileOpen(context, id, set);
    if (set !== null) await keepHold(context, id, set);
  },
  touched: () => [],
};

export const agentSessions = { ...entity, procedures: crud(entity) };

/** Keeps a worktree's count of open sessions correct after a direct update. Triggers handle deleted sessions. */
async function keepHold({ sql }: WriteContext, id: string, set: AgentSessionSet): Promise<void> {
  if (set.status === undefined && set.worktreeId === undefined) return;
  const before = await read(entity.rows, sql, id);
  const { status = before.status, worktreeId = before.worktreeId } = set;
  await moveHold(sql, heldBy(before), heldBy({ status, worktreeId }));
}

/**
 * Fields that only the hub changes while the session is a task's current one, because timeouts and the workflow use
 * them.
 */
const KEPT_WHILE_OPEN = ["status", "mode", "startedAt", "endedAt", "recoveryAttempts"] as const;

/** A task's current session ends only through methods that also update the task. */
async function refuseWhileOpen({ sql }: WriteContext, id: string, set: AgentSessionSet | null): Promise<void> {
  if (set !== null && KEPT_WHILE_OPEN.every((name) => set[name] === undefined)) return;
  if (!(await isTaskIn(sql, id))) return;
  const message = "A task is in this session. Call agentSessions.start, finish or refuse, or tasks.cancel.";
  throw conflict("open", message);
}
