/**
 * A small agent program, run as a separate process. It prints its events as lines of JSON, and the title of a task selects
 * its behaviour.
 */
import { createWorkstation, type WorkstationTask } from "../../../client-sdk/workstation/index.ts";

const [options = "{}"] = process.argv.slice(2);
const { resumes, ...given } = JSON.parse(options);
const report = (event: string, more: object = {}) => console.log(JSON.stringify({ event, ...more }));

/** Titles of tasks that don't end on their signal. */
const STAYS = new Set(["never end", "wind down"]);

async function work(task: WorkstationTask) {
  report(task.resumed ? "resumed" : "runs", { id: task.id, title: task.task.title });
  task.signal.addEventListener("abort", () => report("aborted", { id: task.id, code: task.signal.reason.code }));
  if (task.task.title !== "end unstarted") await task.start();
  if (task.task.title === "finish at once" || task.resumed) return { summary: "done" };
  const keptBusy = setInterval(() => undefined, 1_000);
  await new Promise<void>((resolve) => {
    process.on("message", () => resolve());
    if (!STAYS.has(task.task.title)) task.signal.addEventListener("abort", () => resolve());
  });
  clearInterval(keptBusy);
  if (task.signal.aborted && task.task.title !== "wind down") return;
  return { summary: "done when released" };
}

const workstation = createWorkstation({
  agents: [{ type: "claude-code", name: "claude", maxConcurrencyLimit: 5 }],
  onTask: work,
  ...(resumes ? { onResume: work } : {}),
  reconnectBaseDelayMs: 20,
  reconnectMaxDelayMs: 100,
  ...given,
});
workstation.on("state", ({ name }) => report(name));
workstation.on("started", ({ id }) => report("started", { id }));
workstation.on("finished", ({ id, outcome }) => report("finished", { id, outcome }));
workstation.on("rejected", ({ finish }, { code }) => report("rejected", { id: finish.id, code }));
workstation.on("woke", ({ sleptMs }) => report("woke", { sleptMs }));
workstation.on("error", ({ code, message }) => report("error", { code, message }));
workstation.client.on("welcome", ({ connectionId }) => report("welcome", { connectionId }));
// The test's commands arrive over the channel, which must not keep the process running.
process.channel?.unref();
workstation.start().catch(({ code, message }) => {
  report("refused", { code, message });
  process.exitCode = 1;
});
