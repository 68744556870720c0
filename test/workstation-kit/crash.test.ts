import { stat } from "node:fs/promises";
import { equal, is, match, ok } from "uvu/assert";
import { suite } from "../support/suite.ts";
import { until } from "../support/until.ts";
import { pendingIn, withAgents } from "./support/agents.ts";

const test = suite("an agent program that ends");
const LIMIT_MS = 40_000;

test(
  "a result that the hub did not get outlives a kill, and is delivered by the next run, once",
  () =>
    withAgents(async ({ run, assign, sessionIs, owner, proxy, resultsFile, hub }) => {
      const first = run();
      await first.says("online");
      const id = await assign({ title: "end when told" });
      await first.says("started", id);
      await proxy.close();
      first.tell();
      await until("the result is on the disk", async () => (await pendingIn(resultsFile)).length === 1);
      is((await stat(resultsFile)).mode & 0o777, 0o600);
      first.kill("SIGKILL");
      await first.exited;
      is((await owner.rpc("agentSessions.get", { id })).status, "active");
      const second = run({ url: hub.url, resumes: true });
      await second.says("finished", id);
      await sessionIs(id, "completed");
      is((await owner.rpc("agentSessions.get", { id })).outputSummary, "done when told");
      await second.says("online");
      equal(second.said("resumed"), []);
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
  "a result that the hub got without the program hearing of it counts once",
  () =>
    withAgents(async ({ run, assign, sessionIs, owner, proxy, resultsFile, hub }) => {
      const first = run();
      await first.says("online");
      const id = await assign({ title: "end when told" });
      await first.says("started", id);
      proxy.deafen();
      first.tell();
      await sessionIs(id, "completed");
      is((await pendingIn(resultsFile)).length, 1);
      first.kill("SIGKILL");
      await first.exited;
      const second = run();
      is((await second.says("finished", id)).outcome, "completed");
      equal(second.said("rejected"), []);
      const agents = await owner.rpc("agents.list", { organizationId: hub.organizationId });
      equal(
        agents.items.map(({ tasksCompleted }) => tasksCompleted),
        [1],
      );
    }),
  LIMIT_MS,
);

test(
  "a result whose start the hub never heard of brings the start with it",
  () =>
    withAgents(async ({ run, assign, sessionIs, owner, proxy, resultsFile, hub }) => {
      const first = run({ autoStartMs: 60_000 });
      await first.says("online");
      const id = await assign({ title: "end unstarted" });
      await first.says("runs", id);
      await proxy.close();
      first.tell();
      await until("the result is on the disk", async () => (await pendingIn(resultsFile)).length === 1);
      first.kill("SIGKILL");
      await first.exited;
      is((await owner.rpc("agentSessions.get", { id })).status, "starting");
      const second = run({ url: hub.url });
      await second.says("finished", id);
      await sessionIs(id, "completed");
      equal(second.said("runs"), []);
    }),
  LIMIT_MS,
);

test(
  "what a killed program had started is given up by the next run, and what waited meanwhile is run once",
  () =>
    withAgents(async ({ run, assign, sessionIs, owner }) => {
      const first = run();
      await first.says("online");
      const started = await assign();
      await first.says("started", started);
      first.kill("SIGKILL");
      await first.exited;
      const waiting = await assign({ title: "finish at once" });
      const second = run();
      await sessionIs(started, "failed");
      const { errorType, errorMessage } = await owner.rpc("agentSessions.get", { id: started });
      equal([errorType, errorMessage], ["restarted", "The agent program ended while it worked on the task."]);
      await sessionIs(waiting, "completed");
      is(second.said("runs").filter(({ id }) => id === waiting).length, 1);
    }),
  LIMIT_MS,
);

test(
  "what a killed program had started goes on in the next run that has a way to resume it",
  () =>
    withAgents(async ({ run, assign, sessionIs }) => {
      const first = run({ resumes: true });
      await first.says("online");
      const id = await assign();
      await first.says("started", id);
      first.kill("SIGKILL");
      await first.exited;
      const second = run({ resumes: true });
      await second.says("resumed", id);
      await sessionIs(id, "completed");
      equal(second.said("runs"), []);
    }),
  LIMIT_MS,
);

test(
  "a second program on the same file of results is told who has it; one that was killed does not keep it",
  () =>
    withAgents(async ({ run, resultsFile }) => {
      const first = run();
      await first.says("online");
      const second = run();
      const { code, message } = await second.says("refused");
      is(code, "results_file_in_use");
      match(message ?? "", resultsFile);
      is(await second.exited, 1);
      equal(second.said("welcome"), []);
      ok(first.said("replaced").length === 0);
      first.kill("SIGKILL");
      await first.exited;
      await run().says("online");
    }),
  LIMIT_MS,
);

test.run();
