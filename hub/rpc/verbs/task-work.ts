import type { RpcParams, Task, TaskReview } from "@monster-realtime/client/protocol";
import { z } from "zod";
import { assignTask } from "../../tasks/assign.ts";
import { assignmentBy } from "../../tasks/assignments.ts";
import { conflict } from "../../tasks/conflict.ts";
import { OPEN_LISTS } from "../../tasks/facts.ts";
import { advance, type HeldTask, holdTask } from "../../tasks/held-task.ts";
import { endSession, holdSession, isOpen, withdrawTask } from "../../tasks/sessions.ts";
import { isBlocked } from "../../tasks/waiting.ts";
import { lock, notFound, read, refuseInactiveProject } from "../crud.ts";
import { tasks } from "../entities/tasks.ts";
import * as field from "../fields.ts";
import { defineProcedure, type WriteContext } from "../procedure.ts";
import { type Grant, RIGHTS, readScope } from "../rights.ts";
import type { Located } from "../sql/rows.ts";
import type { Parameters } from "../sql/table.ts";

const DEFAULT_ASSIGNABLE = 20;

const assignable = defineProcedure<RpcParams<"tasks.assignable">>({
  method: "tasks.assignable",
  kind: "read",
  input: field.paramsOf<"tasks.assignable">()(
    z.strictObject(
      field.optional({ organizationId: field.id("org"), projectId: field.id("proj"), limit: field.limit }),
    ),
  ),
  rights: RIGHTS.tasks.assignable,
  async handler({ caller, database }, { organizationId, projectId, limit = DEFAULT_ASSIGNABLE }) {
    const condition = (parameters: Parameters) => {
      const conditions = [
        "tasks.ready AND tasks.agent_session_status = 'INACTIVE' AND projects.status = 'active'",
        `tasks.list IN (${OPEN_LISTS.map((list) => `'${list}'`).join(", ")}) AND NOT ${isBlocked("tasks")}`,
      ];
      if (organizationId !== undefined) conditions.push(`organizations.id = ${parameters.add(organizationId)}`);
      if (projectId !== undefined) conditions.push(`tasks.project_id = ${parameters.add(projectId)}`);
      return conditions.join(" AND ");
    };
    const order = "tasks.priority DESC, tasks.list = 'loop', tasks.list_order, tasks.created_at, tasks.id";
    const rows = await database.query((sql) => tasks.rows.meeting(sql, { condition, order, limit }, readScope(caller)));
    return { items: rows.map((row) => tasks.rows.toEntity(row)) };
  },
});

const assign = defineProcedure<RpcParams<"tasks.assign">>({
  method: "tasks.assign",
  kind: "write",
  input: field.paramsOf<"tasks.assign">()(
    z.strictObject({ id: field.id("task"), ...field.optional({ agentId: field.id("agent") }) }),
  ),
  rights: RIGHTS.tasks.assign,
  async handler(context, { id, agentId }) {
    const { task, place } = await hold(context, RIGHTS.tasks.assign, id);
    refuseInactiveProject(place);
    const sessionId = await assignTask(context.sql, task, agentId);
    return { result: await assignmentBy(context.sql, sessionId), place };
  },
});

const cancel = defineProcedure<RpcParams<"tasks.cancel">>({
  method: "tasks.cancel",
  kind: "write",
  input: field.paramsOf<"tasks.cancel">()(
    z.strictObject({ id: field.id("task"), ...field.optional({ reason: field.filledText(1_000) }) }),
  ),
  rights: RIGHTS.tasks.cancel,
  async handler(context, { id, reason }) {
    const { sql } = context;
    // Allowed in archived projects too, because it must be possible to stop an agent there.
    const { task, place } = await hold(context, RIGHTS.tasks.cancel, id);
    if (task.agentSessionStatus === "INACTIVE")
      throw conflict("inactive", "No agent works on this task. There is nothing to cancel.");
    const session = task.sessionId === null ? null : await holdSession(sql, task.sessionId);
    if (session && isOpen(session)) {
      const ending = { status: "failed", endReason: "cancelled", errorType: "cancelled" } as const;
      await endSession(sql, session, reason === undefined ? ending : { ...ending, errorMessage: reason });
    }
    await withdrawTask(sql, task);
    return { result: await read(tasks.rows, sql, id), place };
  },
});

const review = defineProcedure<TaskReview>({
  method: "tasks.review",
  kind: "write",
  input: field.paramsOf<"tasks.review">()(
    z
      .strictObject({
        id: field.id("task"),
        decision: z.enum(["approve", "reject"]),
        ...field.optional({ feedback: field.longText, attachments: z.array(z.unknown()).max(1_000) }),
      })
      .refine(({ decision, feedback }) => decision === "approve" || feedback?.trim(), {
        path: ["feedback"],
        error: "is missing: describe what to change",
      }),
  ),
  rights: RIGHTS.tasks.review,
  async handler(context, { id, decision, feedback, attachments }) {
    const { sql } = context;
    const { task, place } = await hold(context, RIGHTS.tasks.review, id);
    refuseInactiveProject(place);
    refuseUnlessReviewed(task);
    await advance(sql, task, decision === "approve" ? "approved" : "rejected", {
      reviewFeedback: feedback ?? null,
      reviewAttachments: attachments ?? null,
      ...(decision === "reject" ? { ready: true } : {}),
    });
    return { result: await read(tasks.rows, sql, id), place };
  },
});

function refuseUnlessReviewed({ list, agentSessionStatus }: HeldTask): void {
  if (agentSessionStatus !== "INACTIVE") throw conflict("active", "An agent works on this task. Cancel it first.");
  if (list !== "review") throw conflict("list", `The task is in the list "${list}", not in "review".`);
}

/** Locks the board before the task, the order of all transactions that move it. */
async function hold(context: WriteContext, grant: Grant, id: Task["id"]): Promise<{ task: HeldTask; place: Located }> {
  const [seen] = await tasks.rows.byId(context.sql, id, readScope(context.caller));
  const task = seen && (await holdTask(context.sql, id));
  if (!task) throw notFound("task");
  return { task, place: await lock(tasks, grant, context, { id }) };
}

export const taskWork = { procedures: [assignable, assign, cancel, review] };
