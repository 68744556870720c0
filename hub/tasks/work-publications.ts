import { type AssignmentCancelled, workstationChannel } from "@monster-realtime/client/protocol";
import type { Change, FurtherPublication } from "../feed/change.ts";
import { runSql } from "../kernel/statements.ts";
import type { Database } from "../store/database.ts";
import { assignmentOf, findAssignments, publishable } from "./assignments.ts";

type Pool = Pick<Database, "query">;

/** A publication to a workstation about its work. */
export interface WorkPublication extends FurtherPublication {
  type: "task:assign" | "task:cancel";
}

const OPEN: ReadonlySet<unknown> = new Set(["starting", "active"]);
/** Final statuses that cancel an assignment when the hub or a person sets them. */
const ENDED: ReadonlySet<unknown> = new Set(["completed", "failed", "timeout"]);

/**
 * The `task:assign` and `task:cancel` publications that these changes cause, by the change's id. A session that starts
 * is an assignment. A session that ends, unless its workstation ended it, cancels the assignment. If the row has
 * changed since, nothing is published.
 */
export async function workPublications(
  pool: Pool,
  changes: readonly Change[],
): Promise<ReadonlyMap<string, WorkPublication>> {
  const given = changes.filter((change) => ofSession(change, "created") && change.after?.status === "starting");
  const ended = changes.filter(
    (change) =>
      ofSession(change, "updated") && ENDED.has(change.after?.status) && !change.principal.startsWith("workstation:"),
  );
  const deleted = changes.filter((change) => ofSession(change, "deleted") && OPEN.has(change.removed?.status));
  if (given.length + ended.length + deleted.length === 0) return new Map();
  const assigned = await assignments(pool, given);
  const cancelled = await cancellations(pool, ended);
  return new Map([...assigned, ...cancelled, ...(await withTheirTasks(pool, deleted))]);
}

function ofSession({ entity, operation }: Change, expected: Change["operation"]): boolean {
  return entity === "agent_sessions" && operation === expected;
}

async function assignments(pool: Pool, given: readonly Change[]): Promise<[string, WorkPublication][]> {
  if (given.length === 0) return [];
  const sessionIds = given.map(({ rowId }) => rowId);
  const rows = await pool.query((sql) => findAssignments(sql, { sessionIds }));
  const found = new Map(rows.map(assignmentOf).map((assignment) => [assignment.id, assignment]));
  return given.flatMap(({ id, rowId }) => {
    const assignment = found.get(rowId);
    if (assignment?.status !== "starting") return [];
    const channel = workstationChannel(assignment.workstationId);
    return [[id, { channel, type: "task:assign", payload: publishable(assignment) }]];
  });
}

async function cancellations(pool: Pool, ended: readonly Change[]): Promise<[string, WorkPublication][]> {
  if (ended.length === 0) return [];
  const sessionIds = ended.map(({ rowId }) => rowId);
  const rows = await workstationsOf(pool, sessionIds);
  const found = new Map(rows.map((row) => [row.id, row]));
  return ended.flatMap(({ id, rowId, after }) => {
    const session = found.get(rowId);
    if (!session) return [];
    const { workstationId, taskId } = session;
    const message = typeof after?.error_message === "string" ? { message: after.error_message } : {};
    const payload: AssignmentCancelled = {
      id: rowId,
      taskId,
      reason: String(after?.end_reason ?? "ended"),
      ...message,
    };
    return [[id, { channel: workstationChannel(workstationId), type: "task:cancel", payload }]];
  });
}

/** Cancellations of sessions that were deleted with their tasks, from the change alone: the session's row is gone. */
async function withTheirTasks(pool: Pool, deleted: readonly Change[]): Promise<[string, WorkPublication][]> {
  if (deleted.length === 0) return [];
  const agentIds = deleted.map(({ removed }) => String(removed?.agent_id));
  const rows = await pool.query((sql) =>
    runSql<{ id: string; workstationId: string }>(
      sql,
      `SELECT id, workstation_id AS "workstationId" FROM agents WHERE id = ANY($1::text[])`,
      [agentIds],
    ),
  );
  const workstations = new Map(rows.map(({ id, workstationId }) => [id, workstationId]));
  return deleted.flatMap(({ id, rowId, removed }) => {
    const workstationId = workstations.get(String(removed?.agent_id));
    if (workstationId === undefined) return [];
    const payload: AssignmentCancelled = { id: rowId, taskId: String(removed?.task_id), reason: "deleted" };
    return [[id, { channel: workstationChannel(workstationId), type: "task:cancel", payload }]];
  });
}

function workstationsOf(pool: Pool, sessionIds: readonly string[]) {
  return pool.query((sql) =>
    runSql<{ id: string; taskId: string; workstationId: string }>(
      sql,
      `SELECT s.id, s.task_id AS "taskId", a.workstation_id AS "workstationId"
      FROM agent_sessions s JOIN agents a ON a.id = s.agent_id WHERE s.id = ANY($1::text[])`,
      [[...sessionIds]],
    ),
  );
}
