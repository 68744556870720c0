import { writeFileSync } from "node:fs";
import { not, ok } from "uvu/assert";
import { clockEnv } from "../support/faked-clock.ts";
import { suite } from "../support/suite.ts";
import { until } from "../support/until.ts";
import { withAgents } from "./support/agents.ts";

const test = suite("a workstation kit after sleep");
const LIMIT_MS = 40_000;
const STOPPED_MS = 5_000;

test(
  "a stopped process reconnects as soon as it continues, although its connection is alive",
  () =>
    withAgents(async ({ run }) => {
      const agent = run();
      await agent.reports("online");
      const [first] = agent.reported("welcome");
      agent.kill("SIGSTOP");
      const goesOnAt = performance.now() + STOPPED_MS;
      await until("it was stopped long enough", () => performance.now() > goesOnAt, STOPPED_MS + 1_000);
      agent.kill("SIGCONT");
      ok(((await agent.reports("woke")).sleptMs ?? 0) > 3_000);
      await until("it has another connection", () => agent.reported("welcome").length === 2);
      not.equal(agent.reported("welcome")[1]?.connectionId, first?.connectionId);
      await until("it is online again", () => agent.reported("online").length === 2);
    }),
  LIMIT_MS,
);

const jump = "a machine whose monotonic clock stopped reconnects too";
test.needing("faketime")(
  jump,
  () =>
    withAgents(async ({ run, resultsFile }) => {
      const clock = `${resultsFile}.clock`;
      writeFileSync(clock, "+0\n");
      const { FAKETIME: _, ...env } = clockEnv(0);
      const agent = run({}, { ...env, FAKETIME_TIMESTAMP_FILE: clock, FAKETIME_NO_CACHE: "1" });
      await agent.reports("online");
      writeFileSync(clock, "+600\n");
      const sleptMs = (await agent.reports("woke")).sleptMs ?? 0;
      ok(sleptMs > 590_000 && sleptMs < 610_000, `${sleptMs}`);
      await until("it is online again", () => agent.reported("online").length === 2);
    }),
  LIMIT_MS,
);

test.run();
