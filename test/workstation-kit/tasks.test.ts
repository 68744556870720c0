import { equal, is, match, ok } from "uvu/assert";
import type { RealtimeError, SessionProgress } from "../../client-sdk/index.ts";
import { TaskCancelledError, type WorkstationTask } from "../../client-sdk/workstation/index.ts";
import { suite } from "../support/suite.ts";
import { until } from "../support/until.ts";
import { AGENT, gate, withScene } from "./support/scene.ts";

const test = suite("tasks of a workstation kit");

test("runs an assignment with all its fields, reports its start, and delivers the handler's result", () =>
  withScene(async ({ make, assign, sessionIs, owner, hub }) => {
    const events: string[] = [];
    const seen: WorkstationTask[] = [];
    const workstation = make({
      onTask: async (task) => {
        seen.push(task);
        await task.start({ workingDirectory: "/src/app" });
        const commits = [{ sha: "abc123", message: "Fix it" }];
        return { summary: "Fixed.", files: ["a.ts"], commits, reviewInstructions: "Look at a.ts" };
      },
    });
    workstation.on("assigned", () => events.push("assigned"));
    workstation.on("started", () => events.push("started"));
    workstation.on("finished", ({ outcome }) => events.push(outcome));
    await workstation.start();
    equal(workstation.state, { name: "online", workstationId: hub.workstation.id });
    const id = await assign({ title: "Fix the typo" });
    await sessionIs(id, "completed");
    const session = await owner.rpc("agentSessions.get", { id });
    is(session.outputSummary, "Fixed.");
    is(session.workingDirectory, "/src/app");
    equal(session.filesChanged, ["a.ts"]);
    equal(session.commitsMade, [{ sha: "abc123", message: "Fix it" }]);
    is(seen.length, 1);
    is(seen[0]?.task.title, "Fix the typo");
    is(seen[0]?.agent.name, AGENT.name);
    await until("all is events", () => events.length === 3);
    equal(events, ["assigned", "started", "completed"]);
    is((await owner.rpc("tasks.get", { id: session.taskId })).reviewInstructions, "Look at a.ts");
  }));

test("an error of a handler after the start fails the task", () =>
  withScene(async ({ make, assign, sessionIs, owner }) => {
    const workstation = make({
      onTask: async (task) => {
        await task.start();
        throw new Error("the tests are red");
      },
    });
    await workstation.start();
    const id = await assign();
    await sessionIs(id, "failed");
    const { errorMessage, errorType } = await owner.rpc("agentSessions.get", { id });
    equal({ errorMessage, errorType }, { errorMessage: "the tests are red", errorType: "agent" });
  }));

test("an error of a handler before the start refuses the task", () =>
  withScene(async ({ make, assign, sessionIs, owner }) => {
    const refused: string[] = [];
    const workstation = make({
      onTask: () => {
        throw new Error("the disk is full");
      },
    });
    workstation.on("refused", (_task, { reason }) => refused.push(reason));
    await workstation.start();
    const id = await assign();
    await sessionIs(id, "failed");
    const session = await owner.rpc("agentSessions.get", { id });
    equal([session.errorType, session.errorMessage], ["refused", "the disk is full"]);
    await until("it is refused", () => refused.length === 1);
    equal(refused, ["the disk is full"]);
    is((await owner.rpc("tasks.get", { id: session.taskId })).ready, true);
  }));

test("an invalid start call does not cancel the task", () =>
  withScene(async ({ make, assign, sessionIs }) => {
    const codes: string[] = [];
    const workstation = make({
      onTask: async (task) => {
        const refused = task.start({ externalSessionId: "x".repeat(1_000) });
        codes.push(await refused.then(String, (error: RealtimeError) => error.code));
        await task.start();
      },
    });
    await workstation.start();
    await sessionIs(await assign(), "completed");
    equal(codes, ["bad_request"]);
  }));

test("a refusal with a rate limit blocks the agent, before the start and after it", () =>
  withScene(async ({ make, assign, sessionIs, owner, hub }) => {
    const starts = [false, true];
    const workstation = make({
      agents: [
        { type: "custom", name: "first" },
        { type: "custom", name: "second" },
      ],
      onTask: async (task) => {
        if (starts.shift()) await task.start();
        await task.refuse("rate limit", { rateLimitResetAt: new Date(Date.now() + 60_000) });
      },
    });
    await workstation.start();
    for (let count = 0; count < 2; count++) await sessionIs(await assign(), "failed");
    const limited = async () => {
      const { items } = await owner.rpc("agents.list", { organizationId: hub.organizationId });
      return items.every(
        ({ status, rateLimitReason }) => status === "rate_limited" && rateLimitReason === "rate limit",
      );
    };
    await until("both agents are limited", limited);
  }));

test("progress starts the task and is published; of several reports the newest is published", () =>
  withScene(async ({ make, assign, sessionIs, owner }) => {
    const go = gate();
    const workstation = make({
      onTask: async (task) => {
        await go.opened;
        for (let percent = 0; percent <= 100; percent += 1) await task.progress({ percent, message: "works" });
        await until("the last one is received", () => received.some(({ percent }) => percent === 100));
      },
    });
    await workstation.start();
    const received: SessionProgress[] = [];
    const id = await assign();
    const { taskId } = await owner.rpc("agentSessions.get", { id });
    const watched = owner.subscribe(`task:${taskId}`);
    watched.on("publication", ({ type, payload }) => {
      if (type === "session:progress") received.push(payload as SessionProgress);
    });
    await watched.ready();
    go.open();
    await sessionIs(id, "completed");
    ok(received.length < 20, `${received.length} were received`);
    equal(received.at(-1), { sessionId: id, taskId, percent: 100, message: "works" });
  }));

test("a task that is neither started nor refused is started automatically", () =>
  withScene(async ({ make, assign, sessionIs }) => {
    const go = gate();
    await make({ autoStartMs: 50, onTask: () => go.opened }).start();
    const id = await assign();
    await sessionIs(id, "active");
    go.open();
    await sessionIs(id, "completed");
  }));

test("a cancelled task aborts its signal, and a later result is dropped", () =>
  withScene(async ({ make, assign, owner }) => {
    const reasons: unknown[] = [];
    const cancelled: string[] = [];
    const errors: RealtimeError[] = [];
    const workstation = make({
      onTask: async (task) => {
        await task.start();
        await new Promise<void>((resolve) => task.signal.addEventListener("abort", () => resolve()));
        reasons.push(await task.progress({ percent: 1 }).catch((error) => error));
        return { summary: "too late" };
      },
    });
    workstation.on("cancelled", (_task, { reason }) => cancelled.push(reason));
    workstation.on("error", (error) => errors.push(error));
    await workstation.start();
    const begun = new Promise((resolve) => workstation.on("started", resolve));
    const id = await assign();
    await begun;
    const { taskId } = await owner.rpc("agentSessions.get", { id });
    await owner.rpc("tasks.cancel", { id: taskId, reason: "not needed" });
    await until("its handler ended", () => reasons.length === 1);
    ok(reasons[0] instanceof TaskCancelledError);
    equal(cancelled, ["cancelled"]);
    const meta = () => workstation.client.presence(`workstation:${workstation.id}`).meta?.status;
    await until("it is idle again", () => meta() === "online");
    is((await owner.rpc("agentSessions.get", { id })).outputSummary, null);
    equal(errors, []);
  }));

test("values too large for a publication are fetched", () =>
  withScene(async ({ make, assign, sessionIs }) => {
    const lengths: unknown[] = [];
    await make({ onTask: ({ task }) => void lengths.push(task.description?.length) }).start();
    const id = await assign({ description: "x".repeat(20_000) });
    await sessionIs(id, "completed");
    equal(lengths, [20_000]);
  }));

test("finish() in the handler counts, and later results do not", () =>
  withScene(async ({ make, assign, sessionIs, owner }) => {
    const errors: RealtimeError[] = [];
    const second: unknown[] = [];
    const workstation = make({
      onTask: async (task) => {
        await task.finish({ status: "failed", error: "given up" });
        second.push(await task.finish({}).catch((error: RealtimeError) => error.code));
        throw new Error("cleaning up failed");
      },
    });
    workstation.on("error", (error) => errors.push(error));
    await workstation.start();
    const id = await assign();
    await sessionIs(id, "failed");
    is((await owner.rpc("agentSessions.get", { id })).errorMessage, "given up");
    await until("the error is reported", () => errors.length === 1);
    match(errors[0]?.message ?? "", "cleaning up failed");
    equal(second, ["task_over"]);
  }));

test("stop() refuses tasks that have not started, and they can't start afterwards", () =>
  withScene(async ({ make, assign, owner, sessionIs }) => {
    const codes: string[] = [];
    const workstation = make({
      onTask: async (task) => {
        await new Promise((resolve) => task.signal.addEventListener("abort", resolve));
        await task.start().catch((error: RealtimeError) => codes.push(error.code));
      },
    });
    const assigned = new Promise((resolve) => workstation.on("assigned", resolve));
    await workstation.start();
    const id = await assign();
    await assigned;
    await workstation.stop();
    await sessionIs(id, "failed");
    is((await owner.rpc("agentSessions.get", { id })).errorType, "refused");
    equal(codes, ["workstation_stopped"]);
  }));

test("a result that the hub rejects fails the task, and is reported", () =>
  withScene(async ({ make, assign, sessionIs, owner }) => {
    const rejected: string[] = [];
    const workstation = make({ onTask: () => ({ commits: [{ sha: "not a hash", message: "m" }] }) });
    workstation.on("rejected", (_result, error) => rejected.push(error.code));
    await workstation.start();
    const id = await assign();
    await sessionIs(id, "failed");
    is((await owner.rpc("agentSessions.get", { id })).errorType, "unfit_result");
    equal(rejected, ["bad_request"]);
  }));

test.run();
