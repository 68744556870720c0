/**
 * A small agent program, run as a process of its own: says on a line of its output what happens, as JSON, and does with a
 * task what its title says.
 */
import { createWorkstation, type WorkstationTask } from "../../../client-sdk/workstation.ts";

const [options = "{}"] = process.argv.slice(2);
const { resumes, ...given } = JSON.parse(options);
const say = (event: string, more: object = {}) => console.log(JSON.stringify({ event, ...more }));

/** Titles of tasks that don't end with their signal. */
const STAYS = new Set(["never end", "wind down"]);

async function work(task: WorkstationTask) {
  say(task.resumed ? "resumed" : "runs", { id: task.id, title: task.task.title });
  task.signal.addEventListener("abort", () => say("aborted", { id: task.id, code: task.signal.reason.code }));
  if (task.task.title !== "end unstarted") await task.start();
  if (task.task.title === "finish at once" || task.resumed) return { summary: "done" };
  const keptBusy = setInterval(() => undefined, 1_000);
  await new Promise<void>((resolve) => {
    process.on("message", () => resolve());
    if (!STAYS.has(task.task.title)) task.signal.addEventListener("abort", () => resolve());
  });
  clearInterval(keptBusy);
  if (task.signal.aborted && task.task.title !== "wind down") return;
  return { summary: "done when told" };
}

const workstation = createWorkstation({
  agents: [{ type: "claude-code", name: "claude", maxConcurrencyLimit: 5 }],
  onTask: work,
  ...(resumes ? { onResume: work } : {}),
  reconnectBaseDelayMs: 20,
  reconnectMaxDelayMs: 100,
  ...given,
});
workstation.on("state", ({ name }) => say(name));
workstation.on("started", ({ id }) => say("started", { id }));
workstation.on("finished", ({ id, outcome }) => say("finished", { id, outcome }));
workstation.on("rejected", ({ finish }, { code }) => say("rejected", { id: finish.id, code }));
workstation.on("woke", ({ sleptMs }) => say("woke", { sleptMs }));
workstation.on("error", ({ code, message }) => say("error", { code, message }));
workstation.client.on("welcome", ({ connectionId }) => say("welcome", { connectionId }));
// Commands of the test come over the channel, which must not keep the process.
process.channel?.unref();
workstation.start().catch(({ code, message }) => {
  say("refused", { code, message });
  process.exitCode = 1;
});
