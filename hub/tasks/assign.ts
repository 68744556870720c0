import type { WorkObstacle } from "@monster-realtime/client/protocol";
import { HubError } from "../errors.ts";
import { ask, type Transaction } from "../statements.ts";
import { conflict } from "./conflict.ts";
import { type AgentFacts, type AgentQuery, lockAgents, lockRepositories, OPEN_LISTS, roomOf } from "./facts.ts";
import { give } from "./giving.ts";
import { match } from "./matching.ts";
import type { HeldTask } from "./standing.ts";
import { detailsOf } from "./waiting.ts";

/**
 * Gives a task, locked by the caller, to the agent named or the best that is free. Gives the session's id. Throws
 * `workstation_offline` where all that could are away, `conflict` for whatever else is in the way.
 */
export async function assignTask(sql: Transaction, task: HeldTask, agentId: string | undefined): Promise<string> {
  refuseUnlessOpen(task);
  const detail = (await detailsOf(sql, [{ id: task.id, tried: false }], 0)).get(task.id);
  if (!detail || detail.blocked)
    throw conflict("blocked", "The task waits for others. Finish those, or resolve the dependencies.");
  const repositoryRoom = await lockRepositories(sql, task.projectId, "wait");
  refuseFullRepository(task.repositoryId, repositoryRoom);
  const { projectId } = task;
  const query = { projectId, ...(agentId === undefined ? {} : { agentId }) };
  const choose = async (locked: AgentQuery["locked"]) => {
    const agents = await lockAgents(sql, { ...query, locked });
    const free = agents.filter((agent) => obstacleOf(agent, detail.allowed) === null).map(freeAgent);
    const waiting = {
      id: task.id,
      repositoryId: task.repositoryId,
      allowed: detail.allowed,
      avoided: new Set<string>(),
    };
    return { agents, chosen: match([waiting], free, repositoryRoom) };
  };
  // First among those that nobody else looks at: assignments side by side need not wait for each other.
  await ask(sql, "SAVEPOINT before_agents");
  const atOnce = await choose("skip");
  // Who waits holds none of those it waits for, or two projects with the same agents would wait for each other.
  if (atOnce.chosen.length === 0) await ask(sql, "ROLLBACK TO SAVEPOINT before_agents");
  const { agents, chosen } = atOnce.chosen.length > 0 ? atOnce : await choose("wait");
  if (chosen.length === 0) throw nobody(agents, detail.allowed);
  const [sessionId] = await give(sql, chosen, "assigned");
  if (sessionId === undefined) throw new Error("an assignment without a session");
  return sessionId;
}

/** As the matching takes them. */
export function freeAgent(agent: AgentFacts) {
  return { id: agent.id, room: roomOf(agent), priority: agent.priority, pushedAtMs: agent.pushedAtMs };
}

function refuseUnlessOpen({ ready, agentSessionStatus, list }: HeldTask): void {
  if (agentSessionStatus !== "INACTIVE")
    throw conflict("active", `The task is ${agentSessionStatus} already. Cancel it first to give it to another agent.`);
  if (!(OPEN_LISTS as readonly string[]).includes(list))
    throw conflict("list", `The task is in the list ${list}. Move it to "todo" to have it done again.`);
  if (!ready) throw conflict("not_ready", "The task is not ready. Call tasks.setReady first.");
}

/** A task that runs counts where it is moved to as it would have counted when it was given out. */
export async function refuseMoveOfRunning(
  sql: Transaction,
  { id, projectId }: { id: string; projectId: string },
  repositoryId: string,
): Promise<void> {
  const [running] = await ask(
    sql,
    `SELECT FROM tasks WHERE id = $1 AND agent_session_status <> 'INACTIVE' AND project_repository_id IS DISTINCT FROM $2`,
    [id, repositoryId],
  );
  if (running) refuseFullRepository(repositoryId, await lockRepositories(sql, projectId, "wait"));
}

function refuseFullRepository(repositoryId: string | null, room: ReadonlyMap<string, number>): void {
  if (repositoryId === null || (room.get(repositoryId) ?? 1) > 0) return;
  throw conflict("repository", "The task's repository is not active, or as many tasks run on it as it takes at once.");
}

/** In the order of how near an agent is to taking the task: whoever is nearest gives the reason. */
const OBSTACLES = [
  "not_allowed",
  "not_receiving",
  "offline",
  "disabled",
  "error",
  "rate_limited",
  "agent_full",
] as const satisfies readonly WorkObstacle[];
type Obstacle = (typeof OBSTACLES)[number];

const EXPLANATIONS: Readonly<Record<Exclude<Obstacle, "offline">, string>> = {
  not_allowed: "The task names the agents that may have it: none of this project's, or not the one asked for.",
  not_receiving: "The project's workstations are set not to receive tasks.",
  disabled: "The agents that could take the task are disabled.",
  error: "The agents that could take the task are in an error. Their workstations report them available again.",
  rate_limited: "The agents that could take the task have reached a rate limit.",
  agent_full: "The agents that could take the task have as many tasks as they take at once.",
};

function obstacleOf(agent: AgentFacts, allowed: ReadonlyMap<string, number> | null): Obstacle | null {
  if (allowed && !allowed.has(agent.id)) return "not_allowed";
  if (!agent.canReceive) return "not_receiving";
  if (!agent.present) return "offline";
  if (agent.status === "disabled" || agent.status === "error" || agent.status === "rate_limited") return agent.status;
  return roomOf(agent) > 0 ? null : "agent_full";
}

function nobody(agents: readonly AgentFacts[], allowed: ReadonlyMap<string, number> | null): HubError {
  const obstacles = agents.map((agent) => obstacleOf(agent, allowed)).filter((obstacle) => obstacle !== null);
  const nearest = obstacles.toSorted((a, b) => OBSTACLES.indexOf(b) - OBSTACLES.indexOf(a))[0];
  if (nearest === undefined)
    return conflict("no_agents", "The project has no agents, or not this one. Attach a workstation that has.");
  if (nearest !== "offline") return conflict(nearest, EXPLANATIONS[nearest]);
  const away = [...new Set(agents.map(({ workstationId }) => workstationId))];
  return new HubError("workstation_offline", "No workstation that could take the task is connected. Start one.", {
    details: { obstacle: "offline", workstationIds: away },
  });
}
