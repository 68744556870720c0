import type { Open, Prefixed, UnversionedCrud, Writable } from "./common.ts";
import type { TaskMode } from "./workflows.ts";

/** A dependency: `taskId` waits for `dependsOnTaskId`, or is only related to it. Both belong to one project. */
export interface TaskDependency {
  id: string;
  taskId: string;
  dependsOnTaskId: string;
  dependencyType: Open<"blocks" | "relates_to">;
  /** Resolved when the blocking task is done. */
  status: Open<"active" | "resolved">;
  resolvedAt: string | null;
  createdAt: string;
}

/**
 * Active `blocks` dependencies form no cycle. One that would close a cycle is rejected with `conflict`: `details.cycle`
 * has the ids of the tasks, each waiting for the next and the last for the first.
 */
export type TaskDependencySet = Partial<Pick<TaskDependency, "dependencyType" | "status">>;
/** A new dependency. The default type is `blocks`. */
export type TaskDependencyCreate = Writable<TaskDependency, "taskId" | "dependsOnTaskId", "dependencyType">;

/** An agent that may work on a task. */
export interface TaskAgent {
  id: string;
  taskId: string;
  agentId: string;
  /** Lower comes first. */
  priority: number;
  createdAt: string;
}

/** The fields that `taskAgents.update` may change. */
export type TaskAgentSet = Partial<Pick<TaskAgent, "priority">>;
/** Allows an agent to work on a task. */
export type TaskAgentCreate = Writable<TaskAgent, "taskId" | "agentId", "priority">;

/** The metadata of a file. The file is in its storage, not in the hub. */
export interface TaskAttachment {
  id: string;
  taskId: string;
  filename: string;
  originalFilename: string;
  contentType: string | null;
  /** In bytes. */
  fileSize: number | null;
  storageProvider: Open<"s3" | "local" | "cdn">;
  /** A key of the storage, or a path in it. */
  storagePath: string;
  storageUrl: string | null;
  attachmentType: Open<"spec" | "wireframe" | "reference" | "feedback" | "other">;
  description: string | null;
  uploadedAt: string;
}

/** The fields that `taskAttachments.update` may change. */
export type TaskAttachmentSet = Partial<Omit<TaskAttachment, "id" | "taskId" | "uploadedAt">>;
/** A new attachment. Store the file first. */
export type TaskAttachmentCreate = Writable<
  TaskAttachment,
  "taskId" | "filename" | "originalFilename" | "storagePath",
  "contentType" | "fileSize" | "storageProvider" | "storageUrl" | "attachmentType" | "description"
>;

/** A commit made in a session. */
export interface CommitMade {
  sha: string;
  message: string;
}

/** One agent's work on a task. */
export interface AgentSession {
  id: string;
  taskId: string;
  agentId: string;
  /** The session's id in the agent's own program. */
  externalSessionId: string | null;
  mode: TaskMode | null;
  /** A worktree of the task's repository on the agent's workstation. */
  worktreeId: string | null;
  workingDirectory: string | null;
  status: Open<"starting" | "active" | "completed" | "failed" | "timeout">;
  startReason: string | null;
  endReason: string | null;
  outputSummary: string | null;
  filesChanged: string[] | null;
  commitsMade: CommitMade[] | null;
  startedAt: string;
  /** Set by the hub when a status ends the session, unless the caller sets it. */
  endedAt: string | null;
  /** From start to end. */
  durationSeconds: number | null;
  errorType: string | null;
  errorMessage: string | null;
  recoveryAttempts: number;
}

/** The long texts of a session that `agentSessions.list` omits. */
export type AgentSessionLongText = "outputSummary" | "filesChanged" | "commitsMade" | "errorMessage";
/** A session without its long texts, as returned by lists. */
export type AgentSessionListItem = Omit<AgentSession, AgentSessionLongText>;

/** The fields that `agentSessions.update` may change. Agents use `start`, `finish` and `refuse` instead. */
export type AgentSessionSet = Partial<Omit<AgentSession, "id" | "taskId" | "agentId" | "durationSeconds">>;
/** A new session. Normally `tasks.assign` creates it. */
export type AgentSessionCreate = Writable<AgentSession, "taskId" | "agentId", keyof AgentSessionSet>;

interface DependencyVerbs {
  /** Resolves a dependency permanently: the task no longer waits for it. */
  "taskDependencies.resolve": { params: { id: string }; result: TaskDependency };
}

export type TaskChildMethods = DependencyVerbs &
  Prefixed<
    "taskDependencies",
    UnversionedCrud<
      TaskDependency,
      TaskDependency,
      { taskId?: string; dependsOnTaskId?: string; status?: string },
      TaskDependencyCreate,
      TaskDependencySet
    >
  > &
  Prefixed<
    "taskAgents",
    UnversionedCrud<TaskAgent, TaskAgent, { taskId?: string; agentId?: string }, TaskAgentCreate, TaskAgentSet>
  > &
  Prefixed<
    "taskAttachments",
    UnversionedCrud<
      TaskAttachment,
      TaskAttachment,
      { taskId?: string; attachmentType?: string },
      TaskAttachmentCreate,
      TaskAttachmentSet
    >
  > &
  Prefixed<
    "agentSessions",
    UnversionedCrud<
      AgentSession,
      AgentSessionListItem,
      { taskId?: string; agentId?: string; worktreeId?: string; status?: string },
      AgentSessionCreate,
      AgentSessionSet
    >
  >;
