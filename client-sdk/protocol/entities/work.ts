import type { Agent, AgentListItem } from "./agents.ts";
import type { Open } from "./common.ts";
import type { ProjectRepository, WorkstationRepository } from "./repositories.ts";
import type { AgentSession, CommitMade } from "./task-children.ts";
import type { Task } from "./tasks.ts";
import type { Actor, TaskMode } from "./workflows.ts";

/**
 * A task in an agent's hands, with all that the agent needs. The payload of `task:assign` on `workstation:{id}`, where
 * values over 8 KiB are missing and named in `omitted`; `workstations.assignments` has them.
 */
export interface Assignment {
  /** The id of its session. */
  id: string;
  /** `starting`: nobody has started it yet. */
  status: Open<"starting" | "active">;
  /** When it was given, or taken up. ISO 8601. */
  since: string;
  organizationId: string;
  workstationId: string;
  agent: Pick<Agent, "id" | "type" | "name">;
  mode: TaskMode;
  task: Pick<
    Task,
    | "id"
    | "title"
    | "description"
    | "refinedTitle"
    | "refinedDescription"
    | "priority"
    | "planSolution"
    | "planSpec"
    | "planSteps"
    | "reviewInstructions"
    | "reviewFeedback"
    | "reviewAttachments"
  >;
  project: { id: string; name: string; memory: string | null };
  actor: Pick<Actor, "id" | "name" | "systemPrompt" | "methodology" | "focusAreas"> | null;
  repository: Pick<ProjectRepository, "id" | "name" | "githubUrl" | "defaultBranch"> | null;
  /** The task's target branch, else the repository's default; null without repository. */
  branch: string | null;
  worktreeId: string | null;
  /** How often the task was tried in vain before. */
  recoveryAttempts: number;
  /** Paths such as `task.description` of values that are too large for a publication. */
  omitted: string[];
}

/** The payload of `task:cancel` on `workstation:{id}`: whatever is done for the assignment from now on is in vain. */
export interface AssignmentCancelled {
  /** The assignment's id. */
  id: string;
  taskId: string;
  /** `cancelled`, `not_started`, `timeout`, `deleted` with its task, or how a service ended it. */
  reason: string;
  /** What somebody gave as the reason, or the hub's own sentence. */
  message?: string;
}

/** The payload of `session:progress` on `task:{id}`: ephemeral, and of many in a short time only the newest. */
export interface SessionProgress {
  sessionId: string;
  taskId: string;
  /** 0–100. */
  percent?: number;
  message?: string;
  /** Whatever the agent wants to show. */
  data?: Record<string, unknown>;
}

/**
 * What is in the way, as `details.obstacle` of a `conflict`. Of a task: its `project` is not active, somebody is at it
 * (`active`) or nobody (`inactive`), its `list`, `not_ready`, `blocked`, its `repository`. Of the agents: `no_agents`, or
 * why the nearest can't (`workstation_offline` has `offline`). Of a session: `started`, `not_started`, `ended`,
 * `not_active`, `open`. Of worktrees: the `clone` is not ready, the branch is the `main_clone`'s, `held`, `not_held`.
 */
export type WorkObstacle =
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

/** An assignment that is taken up. */
export interface SessionStart {
  id: string;
  externalSessionId?: string;
  workingDirectory?: string;
  startReason?: string;
}
/** How a session ended. */
export interface SessionFinish {
  id: string;
  outcome: "completed" | "failed" | "timeout";
  outputSummary?: string;
  filesChanged?: string[];
  commitsMade?: CommitMade[];
  errorType?: string;
  errorMessage?: string;
  /** The outcome, where it is missing; `cancelled`, `refused` and `not_started` are the hub's own. */
  endReason?: string;
  /** What the reviewer shall look at, where the step asks for a review; else the summary. */
  reviewInstructions?: string;
}
/** An assignment that is given back, and why. */
export interface SessionRefuse {
  id: string;
  reason: string;
  /** The agent takes nothing until then. ISO 8601. */
  rateLimitResetAt?: string;
}

/** An agent that may take tasks, with how many it has. */
export interface AvailableAgent extends AgentListItem {
  activeTasks: number;
}

/** The branch that somebody wants to work in. */
export interface WorktreeAcquire {
  workstationId: string;
  projectRepositoryId: string;
  branch: string;
  /** The session it is for, whose end releases it; without one, `gitWorktrees.release` does. */
  sessionId?: string;
}

/** How far a workstation's clone of a repository is. */
export interface RepositoryReport {
  projectRepositoryId: string;
  mainPath: string;
  mainBranch?: string;
  cloneStatus: "cloning" | "ready" | "error";
  /** Needed with `error`. */
  cloneError?: string;
}

export interface WorkMethods {
  /** Agents that could take a task now: workstation present, enabled, not limited, below their number of tasks. Longest idle first. */
  "agents.available": {
    params: { organizationId?: string; projectId?: string; workstationId?: string; limit?: number };
    result: { items: AvailableAgent[] };
  };
  /** What a workstation's agents hold: the truth, to be asked for after every start and every `recovered: false`. Its own, where a workstation gives no id. */
  "workstations.assignments": { params: { id?: string }; result: { items: Assignment[] } };
  /** Takes an assignment up: the task is ACTIVE, in the list `doing`. `conflict` where it was started, ended or given to another. */
  "agentSessions.start": { params: SessionStart; result: Assignment };
  /** Tells those who watch the task how far it is. Answers at once; `conflict` where the session is not active. */
  "agentSessions.progress": {
    params: Omit<SessionProgress, "sessionId" | "taskId"> & { id: string };
    result: { id: string };
  };
  /** Ends an active session: the agent's counters grow, the worktree is released, the task goes on in its workflow. `conflict` where it has ended. */
  "agentSessions.finish": { params: SessionFinish; result: AgentSession };
  /** Gives an assignment back that was not started. The task goes to another agent. */
  "agentSessions.refuse": { params: SessionRefuse; result: AgentSession };
  /**
   * By a workstation, of its own clone: made at the first report. `ready` stamps `lastSyncedAt`; what is not `error` clears
   * `cloneError`. `not_found` where the workstation is not attached to the repository's project.
   */
  "workstationRepositories.report": { params: RepositoryReport; result: WorkstationRepository };
}
