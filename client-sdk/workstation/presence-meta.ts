import type { ReportedAgent, WorkstationPresenceMeta } from "../protocol/index.ts";

/** The inputs of a workstation's presence. */
export interface PresenceFacts {
  agents: readonly ReportedAgent[];
  projects: readonly string[];
  /** One for each running task. */
  running: readonly { projectId: string }[];
  devServerPort: number | null;
}

/** Agents with one of these statuses take no tasks. */
const UNAVAILABLE: ReadonlySet<string | undefined> = new Set(["disabled", "error", "rate_limited"]);

/** Computes the presence: busy if tasks run, with each agent type and each project once. */
export function presenceMeta({ agents, projects, running, devServerPort }: PresenceFacts): WorkstationPresenceMeta {
  const available = agents.filter(({ status }) => !UNAVAILABLE.has(status));
  return {
    status: running.length > 0 ? "busy" : "online",
    availableAgents: unique(available.map(({ type }) => type)),
    activeProjects: unique([...projects, ...running.map(({ projectId }) => projectId)]),
    currentTaskCount: running.length,
    ...(devServerPort === null ? {} : { devServerPort }),
  };
}

const unique = (values: readonly string[]): string[] => [...new Set(values)];
