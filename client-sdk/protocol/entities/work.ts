import type { AgentListItem } from "./agents.ts";
import type { WorkstationRepository } from "./repositories.ts";
import type { AgentSession, CommitMade } from "./task-children.ts";
import type { Assignment } from "./tasks.ts";

/**
 * The payload of `session:progress` on `task:{id}`: ephemeral. Of several reports in a short time only the newest is
 * published.
 */
export interface SessionProgress {
  sessionId: string;
  taskId: string;
  /** 0–100. */
  percent?: number;
  message?: string;
  /** Any data that the agent wants to show. */
  data?: Record<string, unknown>;
}

/**
 * The reason of a `conflict`, in `details.reason`. For a task: its `project` is not active, it is assigned (`active`)
 * or not (`inactive`), its `list`, `not_ready`, `blocked`, its `repository`. For the agents: `no_agents`, or why the
 * best candidate can't take it (`workstation_offline` has `offline`). For a session: `started`, `not_started`, `ended`,
 * `not_active`, `open`. For worktrees: the `clone` is not ready, the branch is checked out in the `main_clone`, `held`,
 * `not_held`.
 */
export type ConflictReason =
  | "project"
  | "active"
  | "inactive"
  | "list"
  | "not_ready"
  | "blocked"
  | "repository"
  | "no_agents"
  | "not_allowed"
  | "not_receiving"
  | "offline"
  | "disabled"
  | "error"
  | "rate_limited"
  | "agent_full"
  | "started"
  | "not_started"
  | "ended"
  | "not_active"
  | "open"
  | "clone"
  | "main_clone"
  | "held"
  | "not_held";

/** The start of an assignment. */
export interface SessionStart {
  id: string;
  externalSessionId?: string;
  workingDirectory?: string;
  startReason?: string;
}
/** The end of a session. */
export interface SessionFinish {
  id: string;
  outcome: "completed" | "failed" | "timeout";
  outputSummary?: string;
  filesChanged?: string[];
  commitsMade?: CommitMade[];
  errorType?: string;
  errorMessage?: string;
  /** The default is the outcome. `cancelled`, `refused` and `not_started` are reserved for the hub. */
  endReason?: string;
  /** What the reviewer should check, if the step requires a review. The default is the summary. */
  reviewInstructions?: string;
}
/** The refusal of an assignment. */
export interface SessionRefuse {
  id: string;
  reason: string;
  /** The agent takes no tasks before this time. ISO 8601. */
  rateLimitResetAt?: string;
}

/** An agent that may take tasks, with its number of active tasks. */
export interface AvailableAgent extends AgentListItem {
  activeTasks: number;
}

/** The state of a workstation's clone of a repository. */
export interface RepositoryReport {
  projectRepositoryId: string;
  mainPath: string;
  mainBranch?: string;
  cloneStatus: "cloning" | "ready" | "error";
  /** Required with `error`. */
  cloneError?: string;
}

export interface WorkMethods {
  /**
   * Lists agents that could take a task now: workstation present, enabled, not limited, below their task limit. Longest
   * idle first.
   */
  "agents.available": {
    params: { organizationId?: string; projectId?: string; workstationId?: string; limit?: number };
    result: { items: AvailableAgent[] };
  };
  /**
   * Lists the assignments of a workstation's agents. Call it after every start and every `recovered: false`. A
   * workstation may omit its own id.
   */
  "workstations.assignments": { params: { id?: string }; result: { items: Assignment[] } };
  /**
   * Starts an assignment: the task becomes ACTIVE, in the list `doing`. `conflict` if it was started, has ended or was
   * assigned elsewhere.
   */
  "agentSessions.start": { params: SessionStart; result: Assignment };
  /** Publishes progress to the task's subscribers. Returns immediately. `conflict` if the session is not active. */
  "agentSessions.progress": {
    params: Omit<SessionProgress, "sessionId" | "taskId"> & { id: string };
    result: { id: string };
  };
  /**
   * Ends an active session: the agent's counters grow, the worktree is released, the task's workflow continues.
   * `conflict` if it has ended.
   */
  "agentSessions.finish": { params: SessionFinish; result: AgentSession };
  /** Refuses an assignment that was not started. Another agent can then get the task. */
  "agentSessions.refuse": { params: SessionRefuse; result: AgentSession };
  /**
   * Reports a workstation's own clone, which the first report creates. `ready` sets `lastSyncedAt`. Any status except
   * `error` clears `cloneError`. `not_found` if the workstation is not attached to the repository's project.
   */
  "workstationRepositories.report": { params: RepositoryReport; result: WorkstationRepository };
}
