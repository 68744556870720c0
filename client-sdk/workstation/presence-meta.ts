import type { ReportedAgent, WorkstationPresenceMeta } from "../protocol/index.ts";

/** What a workstation's presence is made of. */
export interface PresenceFacts {
  agents: readonly ReportedAgent[];
  projects: readonly string[];
  /** One for each running task. */
  running: readonly { projectId: string }[];
  devServerPort: number | null;
}

/** Agents of these say of themselves that they take nothing. */
const UNAVAILABLE: ReadonlySet<string | undefined> = new Set(["disabled", "error", "rate_limited"]);

/** The presence that follows from the facts: busy from running tasks, each agent type and each project once. */
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
