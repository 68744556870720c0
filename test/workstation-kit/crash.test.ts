import { stat } from "node:fs/promises";
import { equal, is, match, ok } from "uvu/assert";
import { suite } from "../support/suite.ts";
import { until } from "../support/until.ts";
import { pendingIn, withAgents } from "./support/agents.ts";

const test = suite("an agent program that ends");
const LIMIT_MS = 40_000;

test(
  "a result that the hub did not receive survives a kill, and is delivered once by the next run",
  () =>
    withAgents(async ({ run, assign, sessionIs, owner, proxy, resultsFile, hub }) => {
      const first = run();
      await first.reports("online");
      const id = await assign({ title: "end when released" });
      await first.reports("started", id);
      await proxy.close();
      first.release();
      await until("the result is on the disk", async () => (await pendingIn(resultsFile)).length === 1);
      is((await stat(resultsFile)).mode & 0o777, 0o600);
      first.kill("SIGKILL");
      await first.exited;
      is((await owner.rpc("agentSessions.get", { id })).status, "active");
      const second = run({ url: hub.url, resumes: true });
      await second.reports("finished", id);
      await sessionIs(id, "completed");
      is((await owner.rpc("agentSessions.get", { id })).outputSummary, "done when released");
      await second.reports("online");
      equal(second.reported("resumed"), []);
      equal(await pendingIn(resultsFile), []);
      const agents = await owner.rpc("agents.list", { organizationId: hub.organizationId });
      equal(
        agents.items.map(({ tasksCompleted }) => tasksCompleted),
        [1],
      );
    }),
  LIMIT_MS,
);

test(
  "a result whose acknowledgement was lost counts once",
  () =>
    withAgents(async ({ run, assign, sessionIs, owner, proxy, resultsFile, hub }) => {
      const first = run();
      await first.reports("online");
      const id = await assign({ title: "end when released" });
      await first.reports("started", id);
      proxy.deafen();
      first.release();
      await sessionIs(id, "completed");
      is((await pendingIn(resultsFile)).length, 1);
      first.kill("SIGKILL");
      await first.exited;
      const second = run();
      is((await second.reports("finished", id)).outcome, "completed");
      equal(second.reported("rejected"), []);
      const agents = await owner.rpc("agents.list", { organizationId: hub.organizationId });
      equal(
        agents.items.map(({ tasksCompleted }) => tasksCompleted),
        [1],
      );
    }),
  LIMIT_MS,
);

test(
  "a result carries a start that the hub has not received",
  () =>
    withAgents(async ({ run, assign, sessionIs, owner, proxy, resultsFile, hub }) => {
      const first = run({ autoStartMs: 60_000 });
      await first.reports("online");
      const id = await assign({ title: "end unstarted" });
      await first.reports("runs", id);
      await proxy.close();
      first.release();
      await until("the result is on the disk", async () => (await pendingIn(resultsFile)).length === 1);
      first.kill("SIGKILL");
      await first.exited;
      is((await owner.rpc("agentSessions.get", { id })).status, "starting");
      const second = run({ url: hub.url });
      await second.reports("finished", id);
      await sessionIs(id, "completed");
      equal(second.reported("runs"), []);
    }),
  LIMIT_MS,
);

test(
  "the next run fails tasks that a killed program had started, and runs waiting tasks once",
  () =>
    withAgents(async ({ run, assign, sessionIs, owner }) => {
      const first = run();
      await first.reports("online");
      const started = await assign();
      await first.reports("started", started);
      first.kill("SIGKILL");
      await first.exited;
      const waiting = await assign({ title: "finish at once" });
      const second = run();
      await sessionIs(started, "failed");
      const { errorType, errorMessage } = await owner.rpc("agentSessions.get", { id: started });
      equal([errorType, errorMessage], ["restarted", "The agent program ended while the task was running."]);
      await sessionIs(waiting, "completed");
      is(second.reported("runs").filter(({ id }) => id === waiting).length, 1);
    }),
  LIMIT_MS,
);

test(
  "a next run with onResume resumes tasks that a killed program had started",
  () =>
    withAgents(async ({ run, assign, sessionIs }) => {
      const first = run({ resumes: true });
      await first.reports("online");
      const id = await assign();
      await first.reports("started", id);
      first.kill("SIGKILL");
      await first.exited;
      const second = run({ resumes: true });
      await second.reports("resumed", id);
      await sessionIs(id, "completed");
      equal(second.reported("runs"), []);
    }),
  LIMIT_MS,
);

test(
  "a second program on the same results file is refused with the owner's pid; a killed program does not keep the file",
  () =>
    withAgents(async ({ run, resultsFile }) => {
      const first = run();
      await first.reports("online");
      const second = run();
      const { code, message } = await second.reports("refused");
      is(code, "results_file_in_use");
      match(message ?? "", resultsFile);
      is(await second.exited, 1);
      equal(second.reported("welcome"), []);
      ok(first.reported("replaced").length === 0);
      first.kill("SIGKILL");
      await first.exited;
      await run().reports("online");
    }),
  LIMIT_MS,
);

test.run();
