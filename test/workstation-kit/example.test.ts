import { spawn } from "node:child_process";
import { chmodSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { equal, is, ok, throws } from "uvu/assert";
import { withFolder } from "../support/faults.ts";
import { suite } from "../support/suite.ts";
import { until } from "../support/until.ts";
import { type Scene, withScene } from "./support/scene.ts";

const test = suite("the example of an agent");
const ROOT = join(import.meta.dirname, "..", "..");
const PROGRAM = join(import.meta.dirname, "example", "agent.ts");

/** Prints its input, fails for "red", and does not end for "slow". */
const FAKE_AGENT = `#!/bin/sh
echo "looks at it"
case "$2" in *red*) exit 3 ;; *slow*) echo $$ > pid; exec sleep 600 ;; *) echo "did: $2" ;; esac
`;

interface Running {
  output(): string;
  kill(): void;
  exited: Promise<unknown>;
}

/** Runs `body` with the example as an online process in `folder`. */
async function withExample(folder: string, env: Record<string, string>, body: (example: Running) => Promise<void>) {
  const program = spawn(process.execPath, ["--import", import.meta.resolve("tsx"), PROGRAM], {
    cwd: folder,
    env: { PATH: process.env.PATH, TSX_TSCONFIG_PATH: join(ROOT, "tsconfig.json"), ...env },
  });
  let output = "";
  for (const stream of [program.stdout, program.stderr])
    stream.on("data", (chunk: Buffer) => {
      output += chunk.toString("utf8");
    });
  const exited = new Promise((resolve) => program.once("close", resolve));
  try {
    await until("it is online", () => output.includes("online"), 15_000);
    await body({ output: () => output, kill: () => program.kill("SIGTERM"), exited });
  } finally {
    program.kill("SIGKILL");
    await exited;
  }
}

function withFakeAgent(body: (scene: Scene, folder: string, env: Record<string, string>) => Promise<void>) {
  return withFolder((folder) =>
    withScene((scene) => {
      const AGENT = join(folder, "fake-agent");
      writeFileSync(AGENT, FAKE_AGENT);
      chmodSync(AGENT, 0o755);
      const { url, workstation } = scene.hub;
      return body(scene, folder, { AGENT, MONSTER_REALTIME_URL: url, MONSTER_REALTIME_TOKEN: workstation.token });
    }),
  );
}

test("runs tasks with the configured program, and stops on SIGTERM", () =>
  withFakeAgent(({ assign, sessionIs, owner }, folder, env) =>
    withExample(folder, env, async ({ output, kill, exited }) => {
      const done = await assign({ title: "Fix the typo" });
      await sessionIs(done, "completed");
      is((await owner.rpc("agentSessions.get", { id: done })).outputSummary, "looks at it\ndid: Fix the typo\n");
      const failed = await assign({ title: "Make it red" });
      await sessionIs(failed, "failed");
      is((await owner.rpc("agentSessions.get", { id: failed })).errorMessage, `${env.AGENT} ended with 3.`);
      kill();
      is(await exited, 0, output());
      equal(output(), "connecting\nonline\nstopping\nstopped\n");
    }),
  ));

test("stops the running program on SIGTERM, and reports it", () =>
  withFakeAgent(({ assign, sessionIs, owner }, folder, env) =>
    withExample(folder, env, async ({ output, kill, exited }) => {
      const id = await assign({ title: "Be slow" });
      const pid = await until("it is running", () => {
        const pid = existsSync(join(folder, "pid")) && readFileSync(join(folder, "pid"), "utf8").trim();
        return pid ? Number(pid) : null;
      });
      await sessionIs(id, "active");
      kill();
      is(await exited, 0, output());
      throws(() => process.kill(pid, 0), /ESRCH/);
      await sessionIs(id, "failed");
      const { errorType, errorMessage } = await owner.rpc("agentSessions.get", { id });
      equal([errorType, errorMessage], ["stopped", "The workstation stopped."]);
    }),
  ));

test("refuses a task if its program is missing, and stays online", () =>
  withFakeAgent(({ assign, sessionIs, owner }, folder, env) =>
    withExample(folder, { ...env, AGENT: "no-such-agent" }, async ({ output }) => {
      for (let count = 0; count < 2; count++) {
        const id = await assign();
        await sessionIs(id, "failed");
        is((await owner.rpc("agentSessions.get", { id })).errorMessage, "spawn no-such-agent ENOENT");
      }
      equal(output(), "connecting\nonline\n");
    }),
  ));

test("has at most thirty lines", () => {
  ok(readFileSync(PROGRAM, "utf8").trim().split("\n").length <= 30);
});

test.run();
