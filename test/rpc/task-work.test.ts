import { ulid } from "ulid";
import { equal, is, ok } from "uvu/assert";
import type { RpcParams } from "../../client-sdk/protocol/index.ts";
import type { HubError } from "../../hub/kernel/errors.ts";
import { SERVICE, type Tenant, type World, withWorld } from "../support/rpc-world.ts";
import { suite } from "../support/suite.ts";

const test = suite("task work");

const reasonOf = ({ code, details }: HubError) => [code, (details as { reason?: string } | undefined)?.reason];
const online = ({ database }: World, { workstationId }: Tenant, status = "online") =>
  database.query(
    (sql) => sql`UPDATE workstations SET status = ${status}, last_seen_at = now() WHERE id = ${workstationId}`,
  );
const WORKFLOW = [
  { mode: "plan", requireReview: true },
  { mode: "execute", requireReview: false },
];

/** A ready task, and an agent whose workstation is online. */
async function withWork(body: (world: World, ours: Tenant) => Promise<void>): Promise<void> {
  await withWorld(async (world) => {
    const { ours, call } = world;
    await online(world, ours);
    const set = { ready: true, mode: "plan", workflowConfig: WORKFLOW };
    await call(ours.member, "tasks.update", { id: ours.taskId, set });
    await body(world, ours);
  });
}

const taskOf = ({ call }: World, { member, taskId }: Tenant) => call(member, "tasks.get", { id: taskId });

test("a task goes from an agent through review to the next agent and is done", () =>
  withWork(async (world, ours) => {
    const { call } = world;
    const { member, workstation, taskId, agentId } = ours;
    equal(
      (await call(member, "tasks.assignable", {})).items.map(({ id }) => id),
      [taskId],
    );
    equal(
      (await call(member, "agents.available", { projectId: ours.projectId })).items.map(({ id }) => id),
      [agentId],
    );
    const given = await call(member, "tasks.assign", { id: taskId });
    equal([given.status, given.agent.id, given.mode, given.task.title], ["starting", agentId, "plan", "T"]);
    let task = await taskOf(world, ours);
    equal([task.agentSessionStatus, task.activeAgentId, task.lastAgentSessionId], ["PUSHING", agentId, given.id]);
    equal((await call(workstation, "workstations.assignments", {})).items, [given]);
    equal((await call(member, "workstations.assignments", { id: given.workstationId })).items, [given]);
    is((await world.refusal(member, "workstations.assignments", {})).code, "bad_request");
    equal((await call(member, "tasks.assignable", {})).items, []);
    equal((await call(member, "agents.available", {})).items, []);

    const started = await call(workstation, "agentSessions.start", { id: given.id, externalSessionId: "x" });
    is(started.status, "active");
    task = await taskOf(world, ours);
    equal([task.agentSessionStatus, task.list], ["ACTIVE", "doing"]);
    await call(workstation, "agentSessions.progress", { id: given.id, percent: 40, message: "half" });
    equal(world.progress, [{ sessionId: given.id, taskId, percent: 40, message: "half" }]);

    const commitsMade = [{ sha: "0123abc", message: "Plan" }];
    const finished = await call(workstation, "agentSessions.finish", {
      id: given.id,
      outcome: "completed",
      outputSummary: "A plan",
      commitsMade,
    });
    equal([finished.status, finished.outputSummary, finished.commitsMade], ["completed", "A plan", commitsMade]);
    task = await taskOf(world, ours);
    equal([task.list, task.mode, task.agentSessionStatus, task.activeAgentId], ["review", "plan", "INACTIVE", null]);
    is(task.reviewInstructions, "A plan");
    is((await call(member, "agents.get", { id: agentId })).tasksCompleted, 1);

    task = await call(member, "tasks.review", { id: taskId, decision: "reject", feedback: "Too short" });
    equal([task.list, task.mode, task.reviewFeedback], ["todo", "iterate", "Too short"]);
    const again = await call(member, "tasks.assign", { id: taskId, agentId });
    equal([again.mode, again.task.reviewFeedback], ["iterate", "Too short"]);
    await call(workstation, "agentSessions.start", { id: again.id });
    await call(workstation, "agentSessions.finish", { id: again.id, outcome: "completed" });
    task = await call(member, "tasks.review", { id: taskId, decision: "approve" });
    equal([task.list, task.mode, task.workflowStep], ["doing", "execute", 1]);
    const last = await call(member, "tasks.assign", { id: taskId });
    await call(workstation, "agentSessions.start", { id: last.id });
    await call(workstation, "agentSessions.finish", { id: last.id, outcome: "completed" });
    task = await taskOf(world, ours);
    is(task.list, "done");
    ok(task.completedAt);
  }));

test("a task that can't be assigned returns the reason, and nothing changes", () =>
  withWork(async (world, ours) => {
    const { call, database, refusal } = world;
    const { member, taskId, projectId, agentId, workstationId } = ours;
    const before = await taskOf(world, ours);
    const reason = async () => reasonOf(await refusal(member, "tasks.assign", { id: taskId }));
    const during = async (change: string, undo: string, expected: unknown[]) => {
      await database.query((sql) => sql.unsafe(change));
      equal(await reason(), expected, change);
      await database.query((sql) => sql.unsafe(undo));
    };
    const agent = (set: string) => `UPDATE agents SET ${set} WHERE id = '${agentId}'`;
    await during(agent("status = 'disabled'"), agent("status = 'available'"), ["conflict", "disabled"]);
    await during(agent("status = 'error'"), agent("status = 'available'"), ["conflict", "error"]);
    const limited = "status = 'rate_limited', rate_limit_reset_at = now() + interval '1 hour'";
    await during(agent(limited), agent("status = 'available'"), ["conflict", "rate_limited"]);
    const attached = (set: string) => `UPDATE project_workstations SET ${set} WHERE id = '${ours.attachmentId}'`;
    const receive = attached("can_receive_tasks = true");
    await during(attached("can_receive_tasks = false"), receive, ["conflict", "not_receiving"]);
    const status = (value: string) => `UPDATE workstations SET status = '${value}' WHERE id = '${workstationId}'`;
    await during(status("offline"), status("online"), ["workstation_offline", "offline"]);
    const task = (set: string) => `UPDATE tasks SET ${set} WHERE id = '${taskId}'`;
    await during(task("ready = false"), task("ready = true"), ["conflict", "not_ready"]);
    await during(task("list = 'done'"), task("list = 'todo'"), ["conflict", "list"]);
    await during(task("list = 'review'"), task("list = 'todo'"), ["conflict", "list"]);
    const blocker = await call(member, "tasks.create", { projectId, title: "First" });
    const dependency = { taskId, dependsOnTaskId: blocker.id };
    const { id } = await call(member, "taskDependencies.create", dependency);
    equal(await reason(), ["conflict", "blocked"]);
    await call(member, "taskDependencies.delete", { id });
    const other = await call(SERVICE, "agents.create", { workstationId, type: "custom", name: "Other" });
    await call(member, "taskAgents.create", { taskId, agentId: other.id });
    await call(SERVICE, "agents.update", { id: other.id, set: { status: "disabled" } });
    equal(await reason(), ["conflict", "disabled"]);
    equal(reasonOf(await refusal(member, "tasks.assign", { id: taskId, agentId })), ["conflict", "not_allowed"]);
    await call(member, "taskAgents.delete", { id: (await call(member, "taskAgents.list", {})).items[0]?.id ?? "" });
    const busy = await call(member, "tasks.create", { projectId, title: "Busy", ready: true });
    const { id: running } = await call(member, "tasks.assign", { id: busy.id, agentId });
    equal(await reason(), ["conflict", "agent_full"]);
    equal(reasonOf(await refusal(member, "tasks.assign", { id: busy.id })), ["conflict", "active"]);
    await call(ours.workstation, "agentSessions.refuse", { id: running, reason: "no" });
    await call(ours.admin, "projects.archive", { id: projectId });
    is((await refusal(member, "tasks.assign", { id: taskId })).code, "conflict");
    await call(ours.admin, "projects.restore", { id: projectId });
    is((await refusal(world.otherTenant.member, "tasks.assign", { id: taskId })).code, "not_found");
    is((await refusal(ours.workstation, "tasks.assign", { id: taskId })).code, "forbidden");
    const after = await taskOf(world, ours);
    equal([after.agentSessionStatus, after.activeAgentId, after.list], [before.agentSessionStatus, null, "todo"]);
  }));

test("a repository takes as many concurrent tasks as its limit; 0 is unlimited", () =>
  withWork(async (world, ours) => {
    const { call, refusal } = world;
    const { member, admin, projectId, agentId } = ours;
    await call(admin, "agents.update", { id: agentId, set: { maxConcurrencyLimit: 0 } });
    const address = { name: "r", githubUrl: "https://github.com/a/b" };
    const repository = await call(admin, "projectRepositories.create", {
      projectId,
      ...address,
      maxConcurrentTasks: 2,
    });
    const ids: string[] = [];
    for (const title of ["a", "b", "c"]) {
      const task = { projectId, title, ready: true, projectRepositoryId: repository.id };
      ids.push((await call(member, "tasks.create", task)).id);
    }
    const [a = "", b = "", c = ""] = ids;
    is((await call(member, "tasks.assign", { id: a })).branch, "main");
    await call(member, "tasks.assign", { id: b });
    equal(reasonOf(await refusal(member, "tasks.assign", { id: c })), ["conflict", "repository"]);
    await call(admin, "projectRepositories.update", { id: repository.id, set: { maxConcurrentTasks: 0 } });
    await call(member, "tasks.assign", { id: c });
  }));

test("a running task can't move into a full repository, and an inactive one can", () =>
  withWork(async (world, ours) => {
    const { call, refusal } = world;
    const { member, admin, projectId, agentId } = ours;
    await call(admin, "agents.update", { id: agentId, set: { maxConcurrencyLimit: 0 } });
    const repositories: string[] = [];
    for (const name of ["full", "wide"]) {
      const settings = { projectId, name, githubUrl: `https://github.com/a/${name}` };
      repositories.push((await call(admin, "projectRepositories.create", { ...settings, maxConcurrentTasks: 1 })).id);
    }
    const [full = "", wide = ""] = repositories;
    const ids: string[] = [];
    for (const projectRepositoryId of [full, wide, full])
      ids.push((await call(member, "tasks.create", { projectId, title: "T", ready: true, projectRepositoryId })).id);
    const [running = "", moved = "", resting = ""] = ids;
    for (const id of [running, moved]) await call(member, "tasks.assign", { id });
    const params = { id: moved, set: { projectRepositoryId: full } };
    equal(reasonOf(await refusal(member, "tasks.update", params)), ["conflict", "repository"]);
    // Setting its current repository moves nothing.
    await call(member, "tasks.update", { id: moved, set: { projectRepositoryId: wide, title: "Same" } });
    is(
      (await call(member, "tasks.update", { id: resting, set: { projectRepositoryId: wide } })).projectRepositoryId,
      wide,
    );
    await call(member, "tasks.cancel", { id: running });
    is((await call(member, "tasks.update", params)).projectRepositoryId, full);
    await call(member, "tasks.update", { id: moved, set: { projectRepositoryId: null } });
  }));

test("concurrent assignments respect each agent's limit, and each task gets one agent", () =>
  withWork(async (world, ours) => {
    const { call, database } = world;
    const { member, projectId, workstationId } = ours;
    for (let n = 0; n < 4; n++)
      await call(SERVICE, "agents.create", { workstationId, type: "custom", name: `${n}`, maxConcurrencyLimit: 2 });
    const tasks = [];
    for (let n = 0; n < 12; n++)
      tasks.push((await call(member, "tasks.create", { projectId, title: `${n}`, ready: true })).id);
    const outcomes = await Promise.allSettled([...tasks, ...tasks].map((id) => call(member, "tasks.assign", { id })));
    const given = outcomes.filter(({ status }) => status === "fulfilled").length;
    const counts = await database.query(
      (sql) => sql<{ tasks: number; limit: number }[]>`
        SELECT count(t.id)::int AS tasks, a.max_concurrency_limit AS "limit" FROM agents a
        LEFT JOIN tasks t ON t.active_agent_id = a.id GROUP BY a.id`,
    );
    is(
      counts.reduce((sum, { tasks }) => sum + tasks, 0),
      given,
    );
    is(given, 9);
    for (const { tasks, limit } of counts) ok(tasks <= limit);
  }));

test("an assignment is started once, by its own workstation, and an ended one can't be started", () =>
  withWork(async (world, ours) => {
    const { call, refusal } = world;
    const { member, workstation, taskId } = ours;
    const { id } = await call(member, "tasks.assign", { id: taskId });
    is((await refusal(world.otherTenant.workstation, "agentSessions.start", { id })).code, "not_found");
    is((await refusal(member, "agentSessions.start", { id })).code, "forbidden");
    const finish = { id, outcome: "completed" } as const;
    equal(reasonOf(await refusal(workstation, "agentSessions.finish", finish)), ["conflict", "not_started"]);
    const starts = await Promise.allSettled([1, 2, 3].map(() => call(workstation, "agentSessions.start", { id })));
    is(starts.filter(({ status }) => status === "fulfilled").length, 1);
    equal(reasonOf(await refusal(workstation, "agentSessions.refuse", { id, reason: "x" })), ["conflict", "started"]);
    const wrong = { ...finish, commitsMade: [{ sha: "no commit", message: "" }] };
    is((await refusal(workstation, "agentSessions.finish", wrong)).code, "bad_request");
    const ends = await Promise.allSettled([1, 2, 3].map(() => call(workstation, "agentSessions.finish", finish)));
    is(ends.filter(({ status }) => status === "fulfilled").length, 1);
    equal(reasonOf(await refusal(workstation, "agentSessions.start", { id })), ["conflict", "ended"]);
    equal(reasonOf(await refusal(workstation, "agentSessions.progress", { id })), ["conflict", "not_active"]);
    is((await call(member, "agents.get", { id: ours.agentId })).tasksCompleted, 1);
    is((await refusal(workstation, "agentSessions.start", { id: `session_${ulid()}` })).code, "not_found");
  }));

test("the status of an open session can't be updated without its task", () =>
  withWork(async (world, ours) => {
    const { call, refusal } = world;
    const { id } = await call(ours.member, "tasks.assign", { id: ours.taskId });
    const set: RpcParams<"agentSessions.update">["set"] = { status: "completed" };
    is((await refusal(ours.workstation, "agentSessions.update", { id, set })).code, "conflict");
    is((await refusal(ours.workstation, "agentSessions.delete", { id })).code, "conflict");
    await call(ours.workstation, "agentSessions.update", { id, set: { workingDirectory: "/w" } });
    is((await taskOf(world, ours)).agentSessionStatus, "PUSHING");
  }));

test("a refused task becomes available, and a given rate limit applies to the agent", () =>
  withWork(async (world, ours) => {
    const { call } = world;
    const { id } = await call(ours.member, "tasks.assign", { id: ours.taskId });
    const rateLimitResetAt = new Date(Date.now() + 3_600_000).toISOString();
    const session = await call(ours.workstation, "agentSessions.refuse", { id, reason: "limit", rateLimitResetAt });
    equal([session.status, session.endReason, session.errorMessage], ["failed", "refused", "limit"]);
    const agent = await call(ours.member, "agents.get", { id: ours.agentId });
    equal([agent.status, agent.rateLimitResetAt, agent.tasksCompleted], ["rate_limited", rateLimitResetAt, 0]);
    const task = await taskOf(world, ours);
    equal([task.list, task.ready, task.agentSessionStatus], ["todo", true, "INACTIVE"]);
  }));

test("a task that fails repeatedly is given up with an error, and restarts its count when it is set ready", () =>
  withWork(async (world, ours) => {
    const { call } = world;
    const attempts: number[] = [];
    for (;;) {
      const { id, recoveryAttempts } = await call(ours.member, "tasks.assign", { id: ours.taskId });
      attempts.push(recoveryAttempts);
      await call(ours.workstation, "agentSessions.start", { id });
      await call(ours.workstation, "agentSessions.finish", { id, outcome: "failed", errorMessage: "no disk" });
      if (!(await taskOf(world, ours)).ready) break;
    }
    equal(attempts, [0, 1, 2, 3]);
    const task = await taskOf(world, ours);
    equal([task.list, task.agentSessionStatus], ["todo", "INACTIVE"]);
    ok(task.lastError?.includes("no disk"));
    await call(ours.member, "tasks.setReady", { id: ours.taskId, ready: true });
    const fresh = await call(ours.member, "tasks.assign", { id: ours.taskId });
    is(fresh.recoveryAttempts, 0);
    is((await taskOf(world, ours)).lastError, null);
  }));

test("a cancelled task is no longer ready, and its session has ended", () =>
  withWork(async (world, ours) => {
    const { call, refusal } = world;
    equal(reasonOf(await refusal(ours.member, "tasks.cancel", { id: ours.taskId })), ["conflict", "inactive"]);
    const { id } = await call(ours.member, "tasks.assign", { id: ours.taskId });
    await call(ours.workstation, "agentSessions.start", { id });
    const task = await call(ours.member, "tasks.cancel", { id: ours.taskId, reason: "changed our mind" });
    equal([task.list, task.ready, task.agentSessionStatus, task.activeAgentId], ["todo", false, "INACTIVE", null]);
    const session = await call(ours.member, "agentSessions.get", { id });
    equal([session.status, session.endReason, session.errorMessage], ["failed", "cancelled", "changed our mind"]);
    const finish = { id, outcome: "completed" };
    equal(reasonOf(await refusal(ours.workstation, "agentSessions.finish", finish)), ["conflict", "ended"]);
  }));

test("only tasks in review can be reviewed, and a rejection requires feedback", () =>
  withWork(async (world, ours) => {
    const { call, refusal } = world;
    const review = { id: ours.taskId, decision: "approve" };
    equal(reasonOf(await refusal(ours.member, "tasks.review", review)), ["conflict", "list"]);
    await call(ours.member, "tasks.update", { id: ours.taskId, set: { list: "review" } });
    is((await refusal(ours.member, "tasks.review", { ...review, decision: "reject" })).code, "bad_request");
    is((await refusal(ours.member, "tasks.review", { ...review, decision: "maybe" })).code, "bad_request");
    is((await refusal(ours.workstation, "tasks.review", review)).code, "forbidden");
    is((await refusal(world.otherTenant.member, "tasks.review", review)).code, "not_found");
    const task = await call(ours.member, "tasks.review", {
      id: ours.taskId,
      decision: "approve",
      attachments: [{ n: 1 }],
    });
    equal([task.list, task.mode, task.reviewAttachments], ["doing", "execute", [{ n: 1 }]]);
    // The attachments belong to the feedback they were sent with.
    await call(ours.member, "tasks.update", { id: ours.taskId, set: { list: "review" } });
    const rejected = await call(ours.member, "tasks.review", { id: ours.taskId, decision: "reject", feedback: "No" });
    equal([rejected.reviewFeedback, rejected.reviewAttachments], ["No", null]);
  }));

test("a looping task goes to the end of its list, and a done task unblocks others", () =>
  withWork(async (world, ours) => {
    const { call } = world;
    const { member, workstation, taskId, projectId } = ours;
    const workflowConfig = [{ mode: "execute", requireReview: false }];
    const set = { list: "loop", mode: "execute", workflowConfig };
    await call(member, "tasks.update", { id: taskId, set });
    const other = await call(member, "tasks.create", { projectId, title: "Other", list: "loop", ready: true });
    const waiting = await call(member, "tasks.create", { projectId, title: "Waits", ready: true });
    await call(member, "taskDependencies.create", { taskId: waiting.id, dependsOnTaskId: other.id });
    const order = async () => (await call(member, "tasks.assignable", { projectId })).items.map(({ title }) => title);
    equal(await order(), ["T", "Other"]);
    const { id } = await call(member, "tasks.assign", { id: taskId });
    await call(workstation, "agentSessions.start", { id });
    is((await taskOf(world, ours)).list, "doing");
    await call(workstation, "agentSessions.finish", { id, outcome: "completed" });
    equal([(await taskOf(world, ours)).list, (await taskOf(world, ours)).loops], ["loop", true]);
    equal(await order(), ["Other", "T"]);
    await call(member, "tasks.update", { id: other.id, set: { list: "done" } });
    equal(await order(), ["Waits", "T"]);
  }));

test.run();
