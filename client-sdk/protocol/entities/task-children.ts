import type { Open, Prefixed, UnversionedCrud, Writable } from "./common.ts";
import type { TaskMode } from "./workflows.ts";

/** `taskId` waits for `dependsOnTaskId`, or merely has to do with it. Both belong to one project. */
export interface TaskDependency {
  id: string;
  taskId: string;
  dependsOnTaskId: string;
  dependencyType: Open<"blocks" | "relates_to">;
  /** What a task that is done blocked is resolved. */
  status: Open<"active" | "resolved">;
  resolvedAt: string | null;
  createdAt: string;
}

/**
 * Active blocks form no cycle: one that would close a cycle is a `conflict` with `details.cycle`, the ids of its tasks,
 * each of which would wait for the next, and the last for the first.
 */
export type TaskDependencySet = Partial<Pick<TaskDependency, "dependencyType" | "status">>;
/** A new dependency; it blocks where nothing else is said. */
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

/** What `taskAgents.update` may change. */
export type TaskAgentSet = Partial<Pick<TaskAgent, "priority">>;
/** Allows an agent to work on a task. */
export type TaskAgentCreate = Writable<TaskAgent, "taskId" | "agentId", "priority">;

/** What is known of a file. The file itself lies where its storage says, not in the hub. */
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

/** What `taskAttachments.update` may change. */
export type TaskAttachmentSet = Partial<Omit<TaskAttachment, "id" | "taskId" | "uploadedAt">>;
/** A new attachment: the file itself has to be stored already. */
export type TaskAttachmentCreate = Writable<
  TaskAttachment,
  "taskId" | "filename" | "originalFilename" | "storagePath",
  "contentType" | "fileSize" | "storageProvider" | "storageUrl" | "attachmentType" | "description"
>;

/** A commit that came of a session. */
export interface CommitMade {
  sha: string;
  message: string;
}

/** One agent's work on a task. */
export interface AgentSession {
  id: string;
  taskId: string;
  agentId: string;
  /** The agent's own name for it. */
  externalSessionId: string | null;
  mode: TaskMode | null;
  /** On the agent's workstation, of the task's repository. */
  worktreeId: string | null;
  workingDirectory: string | null;
  status: Open<"starting" | "active" | "completed" | "failed" | "timeout">;
  startReason: string | null;
  endReason: string | null;
  outputSummary: string | null;
  filesChanged: string[] | null;
  commitsMade: CommitMade[] | null;
  startedAt: string;
  /** Set by the hub with a status that ends the session, where nobody tells it. */
  endedAt: string | null;
  /** From start to end. */
  durationSeconds: number | null;
  errorType: string | null;
  errorMessage: string | null;
  recoveryAttempts: number;
}

/** The long texts of a session that `agentSessions.list` leaves out. */
export type AgentSessionLongText = "outputSummary" | "filesChanged" | "commitsMade" | "errorMessage";
/** A session without its long texts, as lists have it. */
export type AgentSessionListItem = Omit<AgentSession, AgentSessionLongText>;

/** What `agentSessions.update` may change. Agents use `start`, `finish` and `refuse` instead. */
export type AgentSessionSet = Partial<Omit<AgentSession, "id" | "taskId" | "agentId" | "durationSeconds">>;
/** A new session. `tasks.assign` makes them. */
export type AgentSessionCreate = Writable<AgentSession, "taskId" | "agentId", keyof AgentSessionSet>;

interface DependencyVerbs {
  /** Lets the task go on without waiting any longer. Once resolved, it stays so. */
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
