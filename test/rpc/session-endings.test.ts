import { equal, is } from "uvu/assert";
import { SERVICE, type Tenant, type World, withWorld } from "../support/rpc-world.ts";
import { suite } from "../support/suite.ts";

const test = suite("session endings");

/** An assignment of a ready task whose workstation is online. */
async function withAssignment(body: (world: World, ours: Tenant, id: string) => Promise<void>): Promise<void> {
  await withWorld(async (world) => {
    const { ours, call, database } = world;
    await database.query((sql) => sql`UPDATE workstations SET status = 'online' WHERE id = ${ours.workstationId}`);
    await call(ours.member, "tasks.setReady", { id: ours.taskId, ready: true });
    const { id } = await call(ours.member, "tasks.assign", { id: ours.taskId });
    await body(world, ours, id);
  });
}

test("an open session's fields that the hub uses for counts and timeouts can't be updated directly", () =>
  withAssignment(async ({ call, refusal }, { workstation, member }, id) => {
    await call(workstation, "agentSessions.start", { id });
    for (const set of [
      { startedAt: "1800-01-01T00:00:00.000Z" },
      { endedAt: null },
      { recoveryAttempts: 0 },
      { mode: "plan" },
    ])
      is((await refusal(workstation, "agentSessions.update", { id, set })).code, "conflict", Object.keys(set)[0]);
    is((await call(workstation, "agentSessions.finish", { id, outcome: "completed" })).durationSeconds, 0);
    is((await call(member, "agentSessions.get", { id })).status, "completed");
  }));

test("an agent whose total execution time is at its maximum can still end its sessions", () =>
  withAssignment(async ({ call, database }, { workstation, member, agentId }, id) => {
    await call(workstation, "agentSessions.start", { id });
    await database.query((sql) => sql`UPDATE agents SET total_execution_time = 2147483000 WHERE id = ${agentId}`);
    await database.query(
      (sql) => sql`UPDATE agent_sessions SET started_at = now() - interval '1 day' WHERE id = ${id}`,
    );
    await call(workstation, "agentSessions.finish", { id, outcome: "completed" });
    is((await call(member, "agents.get", { id: agentId })).totalExecutionTime, 2_147_483_647);
  }));

test("reserved end reasons are rejected, and a session that ended with another one counts as an attempt", () =>
  withAssignment(async ({ call, refusal }, { workstation, member, taskId }, id) => {
    await call(workstation, "agentSessions.start", { id });
    for (const endReason of ["cancelled", "refused", "not_started"]) {
      const { code, details } = await refusal(workstation, "agentSessions.finish", {
        id,
        outcome: "failed",
        endReason,
      });
      equal([code, (details as { path: string }[])[0]?.path], ["bad_request", "endReason"]);
    }
    await call(workstation, "agentSessions.finish", { id, outcome: "failed", endReason: "cancelled by its user" });
    is((await call(member, "tasks.assign", { id: taskId })).recoveryAttempts, 1);
  }));

test("a session completes its own mode, and a task whose mode was changed during it waits in the new mode", () =>
  withAssignment(async ({ call }, { workstation, member, taskId }, id) => {
    const workflowConfig = [
      { mode: "clarify", requireReview: true },
      { mode: "execute", requireReview: false },
    ];
    await call(member, "tasks.update", { id: taskId, set: { workflowConfig } });
    await call(workstation, "agentSessions.start", { id });
    await call(member, "tasks.update", { id: taskId, set: { mode: "execute" } });
    await call(workstation, "agentSessions.finish", { id, outcome: "completed" });
    const task = await call(member, "tasks.get", { id: taskId });
    equal([task.list, task.mode, task.agentSessionStatus, task.ready], ["doing", "execute", "INACTIVE", true]);
    const next = await call(member, "tasks.assign", { id: taskId });
    await call(workstation, "agentSessions.start", { id: next.id });
    await call(workstation, "agentSessions.finish", { id: next.id, outcome: "completed" });
    is((await call(member, "tasks.get", { id: taskId })).list, "done");
  }));

test("a deleted workstation's sessions end with it, and their tasks are retried elsewhere", () =>
  withAssignment(async ({ call, database }, { workstation, workstationId, admin, member, taskId }, id) => {
    await call(workstation, "agentSessions.start", { id });
    await call(admin, "workstations.delete", { id: workstationId });
    const session = await call(member, "agentSessions.get", { id });
    equal([session.status, session.errorType], ["timeout", "workstation_lost"]);
    const task = await call(member, "tasks.get", { id: taskId });
    equal([task.agentSessionStatus, task.activeAgentId, task.ready], ["INACTIVE", null, true]);
    const [open] = await database.query(
      (sql) => sql`SELECT count(*)::int AS n FROM agent_sessions WHERE status IN ('starting', 'active')`,
    );
    is(open?.n, 0);
  }));

test("a task in an archived project can be cancelled, and its session can end", () =>
  withAssignment(async ({ call, database }, { admin, member, workstation, projectId, taskId }, id) => {
    await call(workstation, "agentSessions.start", { id });
    await call(admin, "projects.archive", { id: projectId });
    const task = await call(member, "tasks.cancel", { id: taskId });
    equal([task.agentSessionStatus, task.ready], ["INACTIVE", false]);
    await database.query((sql) => sql`UPDATE projects SET status = 'active' WHERE id = ${projectId}`);
    await call(member, "tasks.setReady", { id: taskId, ready: true });
    const again = await call(member, "tasks.assign", { id: taskId });
    await call(workstation, "agentSessions.start", { id: again.id });
    await call(admin, "projects.archive", { id: projectId });
    is((await call(workstation, "agentSessions.finish", { id: again.id, outcome: "completed" })).status, "completed");
  }));

test("an archived project is reported as the reason", () =>
  withAssignment(async ({ call, refusal }, { admin, projectId, taskId, workstation }, id) => {
    await call(admin, "projects.archive", { id: projectId });
    for (const [method, params] of [
      ["tasks.assign", { id: taskId }],
      ["tasks.review", { id: taskId, decision: "approve" }],
      ["agentSessions.start", { id }],
    ] as const) {
      const caller = method === "agentSessions.start" ? workstation : SERVICE;
      const { code, details } = await refusal(caller, method, params);
      equal([code, details], ["conflict", { reason: "project", status: "archived" }], method);
    }
  }));

test.run();
