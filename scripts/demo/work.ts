import { setTimeout as pause } from "node:timers/promises";
import type { TaskMode } from "@monster-realtime/client";
import type { TaskResult, WorkstationTask } from "@monster-realtime/client/workstation";
import { anyOf, between, chance } from "./chance.ts";

const REFUSED_SHARE = 0.06;
const LIMITED_SHARE = 0.02;
const FAILED_SHARE = 0.08;
const LIMIT_MS = 10_000;
const STEP_MS = 500;
const LEAST_MS = 2_000;
const MOST_MS = 6_000;

const DOING: Readonly<Record<string, string[]>> = {
  plan: ["reads the code", "weighs two designs", "writes the plan"],
  execute: ["reads the plan", "writes a failing test", "writes code", "runs the tests"],
  iterate: ["reads the feedback", "changes the code", "runs the tests"],
  review: ["reads the diff", "tries it out", "writes its findings"],
};
const FAILURES = ["the tests are red", "the context window is full", "the build ran out of memory"];

/** An agent's work on a task: it sometimes refuses it, or works on it for some seconds. */
export async function workOn(task: WorkstationTask, say: (what: string) => void): Promise<TaskResult | undefined> {
  const { mode, agent, signal } = task;
  const title = `"${task.task.title}"`;
  await pause(between(200, 1_200), undefined, { signal });
  if (chance(REFUSED_SHARE)) await task.refuse("the repository is busy");
  else if (chance(LIMITED_SHARE))
    await task.refuse("rate limit reached", { rateLimitResetAt: new Date(Date.now() + LIMIT_MS) });
  else {
    await task.start();
    say(`${agent.name} starts to ${mode} ${title}`);
    await proceed(task, between(LEAST_MS, MOST_MS));
    const result = resultOf(mode);
    say(result.error === undefined ? `finished ${title}` : `failed at ${title}: ${result.error}`);
    return result;
  }
  return undefined;
}

async function proceed(task: WorkstationTask, durationMs: number): Promise<void> {
  const steps = Math.ceil(durationMs / STEP_MS);
  const messages = DOING[task.mode] ?? ["thinks", "writes"];
  for (let step = 1; step <= steps; step++) {
    await pause(STEP_MS, undefined, { signal: task.signal });
    const message = messages[Math.floor(((step - 1) / steps) * messages.length)] ?? "works";
    await task.progress({ percent: Math.round((step / steps) * 100), message });
  }
}

function resultOf(mode: TaskMode): TaskResult {
  if (chance(FAILED_SHARE)) return { status: "failed", errorType: "agent", error: anyOf(FAILURES) ?? "" };
  return { summary: `Done in mode ${mode}.`, reviewInstructions: `See whether you agree with this ${mode}.` };
}
