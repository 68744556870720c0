import { spawn } from "node:child_process";
import { once } from "node:events";
import { createWorkstation, type TaskResult, type WorkstationTask } from "@monster-realtime/client/workstation";

const { MONSTER_REALTIME_URL = "http://localhost:4000", MONSTER_REALTIME_TOKEN = "", AGENT = "claude" } = process.env;
const workstation = createWorkstation({
  url: MONSTER_REALTIME_URL,
  token: MONSTER_REALTIME_TOKEN,
  agents: [{ type: "claude-code", name: AGENT, maxConcurrencyLimit: 1 }],
  resultsFile: "results",
  onTask: work,
});
workstation.on("state", ({ name }) => console.log(name));
workstation.start().catch((error) => {
  console.error(error.message);
  process.exitCode = 1;
});

async function work(task: WorkstationTask): Promise<TaskResult> {
  const { title, description } = task.task;
  const agent = spawn(AGENT, ["-p", description ?? title], { signal: task.signal });
  let summary = "";
  agent.stdout.setEncoding("utf8").on("data", (text: string) => {
    summary += text;
    task.progress({ message: text.slice(-200) }).catch(() => agent.kill());
  });
  const [code] = await once(agent, "close");
  return code === 0 ? { summary } : { status: "failed", error: `${AGENT} ended with ${code}.`, summary };
}
