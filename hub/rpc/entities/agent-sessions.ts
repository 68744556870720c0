import type {
  AgentSession,
  AgentSessionCreate,
  AgentSessionSet,
  RpcParams,
  TaskMode,
} from "@monster-realtime/client/protocol";
import { z } from "zod";
import { crud, type Entity } from "../crud.ts";
import * as field from "../fields.ts";
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
  // Whose agent it is, its workstation writes it; deleted workstations leave their sessions as history.
  workstationId: "agents.workstation_id",
};

const told = {
  externalSessionId: field.text(100).nullable(),
  mode: field.oneOf<TaskMode>(MODES).nullable(),
  worktreeId: field.id("worktree").nullable(),
  workingDirectory: field.longText.nullable(),
  status: field.oneOf<AgentSession["status"]>(STATUSES),
  startReason: field.longText.nullable(),
  endReason: field.longText.nullable(),
  outputSummary: field.longText.nullable(),
  filesChanged: z.array(field.longText).nullable(),
  commitsMade: z.array(z.strictObject({ sha: field.filledText(100), message: field.longText })).nullable(),
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
      z.strictObject({ taskId: field.id("task"), agentId: field.id("agent"), ...field.optional(told) }),
    ),
    update: field.paramsOf<"agentSessions.update">()(field.unversionedUpdateParams("session", told)),
    delete: field.paramsOf<"agentSessions.delete">()(field.idParams("session")),
  },
  async placeOf(context, { taskId, agentId }) {
    const task = await taskOf(context, taskId);
    const { workstationId } = await agentFor(context, task, agentId);
    return { ...task, workstationId };
  },
  touched: () => [],
};

export const agentSessions = { ...entity, procedures: crud(entity) };
