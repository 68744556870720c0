/** A task that waits for an agent. */
export interface WaitingTask {
  id: string;
  repositoryId: string | null;
  /** The agents that may take the task, with their priorities (lower first); null: any agent. */
  allowed: ReadonlyMap<string, number> | null;
  /** Agents that should not get this task again yet. */
  avoided: ReadonlySet<string>;
}

/** An agent that can take tasks. */
export interface FreeAgent {
  id: string;
  /** How many more tasks it can take. */
  room: number;
  /** Its workstation's priority in the project: lower first. */
  priority: number;
  /** Time of its last assignment, in milliseconds since 1970; null: never. */
  pushedAtMs: number | null;
}

export interface Match {
  taskId: string;
  agentId: string;
}

/**
 * Matches tasks to agents. Takes the tasks in the given order and assigns each one to the best agent with room, if the
 * task's repository has room. Agents are ordered by the task's priority for them, then the project's priority, then the
 * longest wait. A repository that is not in `repositoryRoom` is unlimited.
 */
export function match(
  tasks: readonly WaitingTask[],
  agents: readonly FreeAgent[],
  repositoryRoom: ReadonlyMap<string, number>,
): Match[] {
  const free = agents.map((agent) => ({ ...agent }));
  const room = new Map(repositoryRoom);
  const matches: Match[] = [];
  // An agent that gets a task in this round sorts after agents with an earlier assignment.
  let now = Number.MAX_SAFE_INTEGER - tasks.length;
  for (const task of tasks) {
    const left = task.repositoryId === null ? Number.POSITIVE_INFINITY : (room.get(task.repositoryId) ?? Infinity);
    const agent = left > 0 ? bestFor(task, free) : null;
    if (!agent) continue;
    agent.room -= 1;
    agent.pushedAtMs = now++;
    if (task.repositoryId !== null) room.set(task.repositoryId, left - 1);
    matches.push({ taskId: task.id, agentId: agent.id });
  }
  return matches;
}

function bestFor(task: WaitingTask, agents: readonly FreeAgent[]): FreeAgent | null {
  let best: FreeAgent | null = null;
  for (const agent of agents) {
    if (agent.room <= 0 || task.avoided.has(agent.id) || (task.allowed && !task.allowed.has(agent.id))) continue;
    if (!best || comesBefore(task, agent, best)) best = agent;
  }
  return best;
}

function comesBefore({ allowed }: WaitingTask, a: FreeAgent, b: FreeAgent): boolean {
  const own = (allowed?.get(a.id) ?? 0) - (allowed?.get(b.id) ?? 0);
  if (own !== 0) return own < 0;
  if (a.priority !== b.priority) return a.priority < b.priority;
  const waited = (a.pushedAtMs ?? -1) - (b.pushedAtMs ?? -1);
  return waited === 0 ? a.id < b.id : waited < 0;
}
