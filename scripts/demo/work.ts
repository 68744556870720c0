import { setTimeout as pause } from "node:timers/promises";
import { type Assignment, type Client, type SessionFinish, type TaskMode, ulid } from "@monster-realtime/client";
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

export interface WorkParts {
  client: Client;
  assignment: Assignment;
  /** Aborted: the work stops where it is, without a word to the hub. */
  signal: AbortSignal;
  say(what: string): void;
  /** The hub knows that the work goes on. */
  began(): void;
}

/** What an agent does with an assignment: refuses it now and then, or works on it for some seconds and ends it. */
export async function workOn(parts: WorkParts): Promise<void> {
  const { client, assignment, signal, say, began } = parts;
  const { id, mode, agent } = assignment;
  const title = `"${assignment.task.title}"`;
  await pause(between(200, 1_200), undefined, { signal });
  if (chance(REFUSED_SHARE + LIMITED_SHARE)) return refuse(parts, title);
  await client.rpc("agentSessions.start", { id, startReason: "assigned" }, { idempotencyKey: ulid() });
  began();
  say(`${agent.name} starts to ${mode} ${title}`);
  await proceed(parts, between(LEAST_MS, MOST_MS));
  signal.throwIfAborted();
  const ending = endingOf(mode);
  await client.rpc("agentSessions.finish", { id, ...ending }, { idempotencyKey: ulid() });
  say(ending.outcome === "completed" ? `finished ${title}` : `failed at ${title}: ${ending.errorMessage}`);
}

async function refuse({ client, assignment: { id, agent }, say }: WorkParts, title: string): Promise<void> {
  const isLimited = chance(LIMITED_SHARE / (REFUSED_SHARE + LIMITED_SHARE));
  const limit = isLimited ? { rateLimitResetAt: new Date(Date.now() + LIMIT_MS).toISOString() } : {};
  const reason = isLimited ? "rate limit reached" : "the repository is busy";
  await client.rpc("agentSessions.refuse", { id, reason, ...limit }, { idempotencyKey: ulid() });
  say(isLimited ? `${agent.name} is rate limited for ${LIMIT_MS / 1_000} s` : `${agent.name} refuses ${title}`);
}

async function proceed({ client, assignment, signal }: WorkParts, durationMs: number): Promise<void> {
  const steps = Math.ceil(durationMs / STEP_MS);
  const messages = DOING[assignment.mode] ?? ["thinks", "writes"];
  for (let step = 1; step <= steps; step++) {
    await pause(STEP_MS, undefined, { signal });
    const message = messages[Math.floor(((step - 1) / steps) * messages.length)] ?? "works";
    const percent = Math.round((step / steps) * 100);
    await client.rpc("agentSessions.progress", { id: assignment.id, percent, message });
  }
}

function endingOf(mode: TaskMode): Omit<SessionFinish, "id"> {
  if (chance(FAILED_SHARE)) {
    return { outcome: "failed", errorType: "agent", errorMessage: anyOf(FAILURES) ?? "" };
  }
  const outputSummary = `Done in mode ${mode}.`;
  return { outcome: "completed", outputSummary, reviewInstructions: `See whether you agree with this ${mode}.` };
}
