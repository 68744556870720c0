import { spawn } from "node:child_process";
import { chmodSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { equal, is, ok } from "uvu/assert";
import { withFolder } from "../support/faults.ts";
import { suite } from "../support/suite.ts";
import { until } from "../support/until.ts";
import { withScene } from "./support/scene.ts";

const test = suite("the example of an agent");
const ROOT = join(import.meta.dirname, "..", "..");
const PROGRAM = join(import.meta.dirname, "example", "agent.ts");

/** Says what it was asked, and fails at what is red. */
const FAKE_AGENT = `#!/bin/sh
echo "looks at it"
case "$2" in *red*) exit 3 ;; *) echo "did: $2" ;; esac
`;

test("works on tasks with the program it is told, and leaves on SIGTERM", () =>
  withFolder((folder) =>
    withScene(async ({ hub, assign, sessionIs, owner }) => {
      const agent = join(folder, "fake-agent");
      writeFileSync(agent, FAKE_AGENT);
      chmodSync(agent, 0o755);
      const connection = { MONSTER_REALTIME_URL: hub.url, MONSTER_REALTIME_TOKEN: hub.workstation.token };
      const program = spawn(process.execPath, ["--import", import.meta.resolve("tsx"), PROGRAM], {
        cwd: folder,
        env: { PATH: process.env.PATH, TSX_TSCONFIG_PATH: join(ROOT, "tsconfig.json"), AGENT: agent, ...connection },
      });
      let output = "";
      for (const stream of [program.stdout, program.stderr])
        stream.on("data", (chunk: Buffer) => {
          output += chunk.toString("utf8");
        });
      const exited = new Promise((resolve) => program.once("close", resolve));
      try {
        await until("it is online", () => output.includes("online"), 15_000);
        const done = await assign({ title: "Fix the typo" });
        await sessionIs(done, "completed");
        is((await owner.rpc("agentSessions.get", { id: done })).outputSummary, "looks at it\ndid: Fix the typo\n");
        const failed = await assign({ title: "Make it red" });
        await sessionIs(failed, "failed");
        is((await owner.rpc("agentSessions.get", { id: failed })).errorMessage, `${agent} ended with 3.`);
        program.kill("SIGTERM");
        is(await exited, 0, output);
        equal(output, "connecting\nonline\nstopping\nstopped\n");
      } finally {
        program.kill("SIGKILL");
        await exited;
      }
    }),
  ));

test("has at most thirty lines", () => {
  ok(readFileSync(PROGRAM, "utf8").trim().split("\n").length <= 30);
});

test.run();
