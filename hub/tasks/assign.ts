import type { ConflictReason } from "@monster-realtime/client/protocol";
import { HubError } from "../kernel/errors.ts";
import { runSql, type Transaction } from "../kernel/statements.ts";
import { conflict } from "./conflict.ts";
import { type AgentFacts, type AgentQuery, lockAgents, lockRepositories, OPEN_LISTS, roomOf } from "./facts.ts";
import { give } from "./giving.ts";
import type { HeldTask } from "./held-task.ts";
import { match } from "./matching.ts";
import { detailsOf } from "./waiting.ts";

/**
 * Assigns a task, locked by the caller, to the named agent or to the best free agent. Returns the session's id. Throws
 * `workstation_offline` if no suitable agent is online, and `conflict` if anything else prevents the assignment.
 */
export async function assignTask(sql: Transaction, task: HeldTask, agentId: string | undefined): Promise<string> {
  refuseUnlessOpen(task);
  const detail = (await detailsOf(sql, [{ id: task.id, tried: false }], 0)).get(task.id);
  if (!detail || detail.blocked)
    throw conflict("blocked", "The task depends on unfinished tasks. Finish those, or resolve the dependencies.");
  const repositoryRoom = await lockRepositories(sql, task.projectId, "wait");
  refuseFullRepository(task.repositoryId, repositoryRoom);
  const { projectId } = task;
  const query = { projectId, ...(agentId === undefined ? {} : { agentId }) };
  const choose = async (locked: AgentQuery["locked"]) => {
    const agents = await lockAgents(sql, { ...query, locked });
    const free = agents.filter((agent) => reasonAgainst(agent, detail.allowed) === null).map(freeAgent);
    const waiting = {
      id: task.id,
      repositoryId: task.repositoryId,
      allowed: detail.allowed,
      avoided: new Set<string>(),
    };
    return { agents, chosen: match([waiting], free, repositoryRoom) };
  };
  // The first attempt skips locked agents, so that concurrent assignments don't wait for each other.
  await runSql(sql, "SAVEPOINT before_agents");
  const unlocked = await choose("skip");
  // Releases the locks before it waits. Two projects that share agents would deadlock otherwise.
  if (unlocked.chosen.length === 0) await runSql(sql, "ROLLBACK TO SAVEPOINT before_agents");
  const { agents, chosen } = unlocked.chosen.length > 0 ? unlocked : await choose("wait");
  if (chosen.length === 0) throw noAgentError(agents, detail.allowed);
  const [sessionId] = await give(sql, chosen, "assigned");
  if (sessionId === undefined) throw new Error("An assignment has no session.");
  return sessionId;
}

/** The agent as `match` expects it. */
export function freeAgent(agent: AgentFacts) {
  return { id: agent.id, room: roomOf(agent), priority: agent.priority, pushedAtMs: agent.pushedAtMs };
}

function refuseUnlessOpen({ ready, agentSessionStatus, list }: HeldTask): void {
  if (agentSessionStatus !== "INACTIVE")
    throw conflict(
      "active",
      `The task is already ${agentSessionStatus}. Cancel it first to assign it to another agent.`,
    );
  if (!(OPEN_LISTS as readonly string[]).includes(list))
    throw conflict("list", `The task is in the list "${list}". Move it to "todo" to run it again.`);
  if (!ready) throw conflict("not_ready", "The task is not ready. Call tasks.setReady first.");
}

/**
 * Throws `conflict` if the task runs and the repository it moves to is full. A running task counts in its new
 * repository.
 */
export async function refuseMoveOfRunning(
  sql: Transaction,
  { id, projectId }: { id: string; projectId: string },
  repositoryId: string,
): Promise<void> {
  const [running] = await runSql(
    sql,
    `SELECT FROM tasks WHERE id = $1 AND agent_session_status <> 'INACTIVE' AND project_repository_id IS DISTINCT FROM $2`,
    [id, repositoryId],
  );
  if (running) refuseFullRepository(repositoryId, await lockRepositories(sql, projectId, "wait"));
}

function refuseFullRepository(repositoryId: string | null, room: ReadonlyMap<string, number>): void {
  if (repositoryId === null || (room.get(repositoryId) ?? 1) > 0) return;
  const message = "The task's repository is inactive or at its limit of concurrent tasks. Activate it, or retry later.";
  throw conflict("repository", message);
}

/** Ordered by how close an agent is to taking the task, farthest first. The closest agent's reason is reported. */
const NO_AGENT_REASONS = [
  "not_allowed",
  "not_receiving",
  "offline",
  "disabled",
  "error",
  "rate_limited",
  "agent_full",
] as const satisfies readonly ConflictReason[];
type NoAgentReason = (typeof NO_AGENT_REASONS)[number];

const EXPLANATIONS: Readonly<Record<Exclude<NoAgentReason, "offline">, string>> = {
  not_allowed:
    "The task is restricted to agents that are not in this project, or not the requested one. Add one with taskAgents.create.",
  not_receiving: "The project's workstations do not receive tasks. Set `canReceiveTasks` of their attachments.",
  disabled: "The agents that could take the task are disabled. Enable one.",
  error: "The agents that could take the task are in an error state. Wait until one is reported available.",
  rate_limited: "The agents that could take the task have reached a rate limit. Try again after it resets.",
  agent_full: "The agents that could take the task are at their limit of concurrent tasks. Try again when one is free.",
};

function reasonAgainst(agent: AgentFacts, allowed: ReadonlyMap<string, number> | null): NoAgentReason | null {
  if (allowed && !allowed.has(agent.id)) return "not_allowed";
  if (!agent.canReceive) return "not_receiving";
  if (!agent.present) return "offline";
  if (agent.status === "disabled" || agent.status === "error" || agent.status === "rate_limited") return agent.status;
  return roomOf(agent) > 0 ? null : "agent_full";
}

function noAgentError(agents: readonly AgentFacts[], allowed: ReadonlyMap<string, number> | null): HubError {
  const reasons = agents.map((agent) => reasonAgainst(agent, allowed)).filter((reason) => reason !== null);
  const nearest = reasons.toSorted((a, b) => NO_AGENT_REASONS.indexOf(b) - NO_AGENT_REASONS.indexOf(a))[0];
  if (nearest === undefined)
    return conflict("no_agents", "The project has no agents, or not this one. Attach a workstation that has it.");
  if (nearest !== "offline") return conflict(nearest, EXPLANATIONS[nearest]);
  const offlineIds = [...new Set(agents.map(({ workstationId }) => workstationId))];
  return new HubError("workstation_offline", "No workstation that could take the task is connected. Start one.", {
    details: { reason: "offline", workstationIds: offlineIds },
  });
}
