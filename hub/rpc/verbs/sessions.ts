import type { RpcParams, SessionFinish, SessionRefuse, SessionStart } from "@monster-realtime/client/protocol";
import { z } from "zod";
import { runSql } from "../../kernel/statements.ts";
import { assignmentBy } from "../../tasks/assignments.ts";
import { conflict } from "../../tasks/conflict.ts";
import { OWN_END_REASONS } from "../../tasks/giving.ts";
import {
  completeTask,
  endSession,
  type HeldSession,
  holdSession,
  isOpen,
  retryTask,
  returnTask,
  startSession,
} from "../../tasks/sessions.ts";
import { lock, notFound, read, refuseInactiveProject, refuseUnless } from "../crud.ts";
import { agentSessions, commitsMade, filesChanged } from "../entities/agent-sessions.ts";
import * as field from "../fields.ts";
import { defineProcedure, type WriteContext } from "../procedure.ts";
import { type Grant, may, RIGHTS, readScope } from "../rights.ts";
import type { Located } from "../sql/rows.ts";

const start = defineProcedure<SessionStart>({
  method: "agentSessions.start",
  kind: "write",
  input: field.paramsOf<"agentSessions.start">()(
    z.strictObject({
      id: field.id("session"),
      ...field.optional({
        externalSessionId: field.text(100),
        workingDirectory: field.longText,
        startReason: field.longText,
      }),
    }),
  ),
  rights: RIGHTS.agentSessions.start,
  async handler(context, { id, ...details }) {
    const { session, place } = await hold(context, RIGHTS.agentSessions.start, id);
    refuseInactiveProject(place);
    await startSession(context.sql, session, details);
    return { result: await assignmentBy(context.sql, id), place };
  },
});

const ownReasons: ReadonlySet<string> = new Set(OWN_END_REASONS);

const finish = defineProcedure<SessionFinish>({
  method: "agentSessions.finish",
  kind: "write",
  input: field.paramsOf<"agentSessions.finish">()(
    z.strictObject({
      id: field.id("session"),
      outcome: z.enum(["completed", "failed", "timeout"]),
      ...field.optional({
        outputSummary: field.longText,
        filesChanged,
        commitsMade,
        errorType: field.text(100),
        errorMessage: field.longText,
        endReason: field.longText.refine(
          (reason) => !ownReasons.has(reason),
          "is reserved for the hub; use another reason",
        ),
        reviewInstructions: field.longText,
      }),
    }),
  ),
  rights: RIGHTS.agentSessions.finish,
  async handler(context, { id, outcome, endReason = outcome, reviewInstructions, ...details }) {
    const { sql } = context;
    const { session, place } = await hold(context, RIGHTS.agentSessions.finish, id);
    refuseUnlessOpen(session);
    if (session.status !== "active")
      throw conflict("not_started", "This assignment was not started. Start or refuse it.");
    await endSession(sql, session, { ...details, status: outcome, endReason });
    if (outcome === "completed") await completeTask(sql, session, reviewInstructions ?? details.outputSummary ?? null);
    else await retryTask(sql, session, details.errorMessage ?? details.errorType ?? outcome);
    return { result: await read(agentSessions.rows, sql, id), place };
  },
});

const refuse = defineProcedure<SessionRefuse>({
  method: "agentSessions.refuse",
  kind: "write",
  input: field.paramsOf<"agentSessions.refuse">()(
    z.strictObject({
      id: field.id("session"),
      reason: field.filledText(1_000),
      ...field.optional({ rateLimitResetAt: field.timestamp }),
    }),
  ),
  rights: RIGHTS.agentSessions.refuse,
  async handler(context, { id, reason, rateLimitResetAt }) {
    const { sql } = context;
    const { session, place } = await hold(context, RIGHTS.agentSessions.refuse, id);
    refuseUnlessOpen(session);
    if (session.status !== "starting") throw conflict("started", "This assignment was started. Finish it instead.");
    await endSession(sql, session, {
      status: "failed",
      endReason: "refused",
      errorType: "refused",
      errorMessage: reason,
    });
    if (rateLimitResetAt !== undefined) await limitAgent(context, session, rateLimitResetAt, reason);
    await returnTask(sql, session.task);
    return { result: await read(agentSessions.rows, sql, id), place };
  },
});

const progress = defineProcedure<RpcParams<"agentSessions.progress">>({
  method: "agentSessions.progress",
  kind: "read",
  input: field.paramsOf<"agentSessions.progress">()(
    z.strictObject({
      id: field.id("session"),
      ...field.optional({
        percent: z.number().min(0).max(100),
        message: field.text(2_000),
        data: z.record(z.string(), z.unknown()).refine(isSmall, "is larger than 8 KiB as JSON"),
      }),
    }),
  ),
  rights: RIGHTS.agentSessions.progress,
  async handler({ caller, database, progressed }, { id, ...details }) {
    const scope = readScope(caller);
    const [place] = await database.query((sql) => agentSessions.rows.placeOf(sql, id, scope));
    if (!place) throw notFound("session");
    refuseUnless(may(caller, RIGHTS.agentSessions.progress, place));
    const [session] = await database.query((sql) => agentSessions.rows.byId(sql, id, scope));
    if (!session) throw notFound("session");
    if (session.status !== "active") throw conflict("not_active", `This session is ${session.status}, not active.`);
    progressed({ sessionId: id, taskId: session.taskId, ...details });
    return { id };
  },
});

const MAX_DATA_BYTES = 8_192;

function isSmall(data: Record<string, unknown>): boolean {
  return Buffer.byteLength(JSON.stringify(data)) <= MAX_DATA_BYTES;
}

function refuseUnlessOpen(session: HeldSession): void {
  if (isOpen(session)) return;
  throw conflict("ended", "This session has ended. Call workstations.assignments for the open ones.");
}

async function limitAgent(
  { sql }: WriteContext,
  { agentId }: HeldSession,
  resetAt: string,
  reason: string,
): Promise<void> {
  await runSql(
    sql,
    `UPDATE agents SET status = 'rate_limited', rate_limit_reset_at = $2::timestamptz, rate_limit_reason = $3
    WHERE id = $1 AND status <> 'disabled'`,
    [agentId, resetAt, reason],
  );
}

/** Locks the board and the task before the session, the order of all transactions that change more than one of them. */
async function hold(
  context: WriteContext,
  grant: Grant,
  id: string,
): Promise<{ session: HeldSession; place: Located }> {
  const [seen] = await agentSessions.rows.byId(context.sql, id, readScope(context.caller));
  const session = seen && (await holdSession(context.sql, id));
  if (!session) throw notFound("session");
  const place = await lock(agentSessions, grant, context, { id });
  return { session, place };
}

export const sessions = { procedures: [start, finish, refuse, progress] };
