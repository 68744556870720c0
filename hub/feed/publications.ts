import {
  type EntityChange,
  type Publication,
  projectTasksChannel,
  projectWorkstationsChannel,
  type TasksReordered,
  taskChannel,
  workstationChannel,
} from "@monster-realtime/client/protocol";
import type { Change } from "./change.ts";
import { fieldsOf, told } from "./fields.ts";

/** A change as subscribers get it: one publication, on each of these channels. */
export interface FeedPublication {
  channels: readonly string[];
  type: string;
  payload: EntityChange | TasksReordered;
  /** Who made the change, where that is somebody of the hub's. */
  from: Publication["from"];
}

type Route = (change: Change) => (string | null)[];

const ofTask: Route = ({ taskId }) => [taskId && taskChannel(taskId)];
const ofWorkstation: Route = ({ workstationId }) => [workstationId && workstationChannel(workstationId)];
const ofProject: Route = ({ projectId }) => [projectId && projectWorkstationsChannel(projectId)];
const ofBoard: Route = ({ projectId }) => [projectId && projectTasksChannel(projectId)];
const ofFormerBoard: Route = ({ operation, formerProjectId }) => [
  operation === "updated" && formerProjectId !== null ? projectTasksChannel(formerProjectId) : null,
];
const ofAttachedProjects: Route = ({ attachedTo }) => attachedTo.map(projectWorkstationsChannel);

/** Table → what one of its rows is called in types, and whom its changes concern. What is missing concerns no channel. */
const FEED: ReadonlyMap<string, { noun: string; routes: readonly Route[] }> = new Map([
  ["tasks", { noun: "task", routes: [ofTask, ofBoard, ofFormerBoard] }],
  ["task_dependencies", { noun: "task_dependency", routes: [ofTask, ofBoard] }],
  ["task_agents", { noun: "task_agent", routes: [ofTask] }],
  ["task_attachments", { noun: "task_attachment", routes: [ofTask] }],
  ["agent_sessions", { noun: "agent_session", routes: [ofTask, ofBoard] }],
  ["projects", { noun: "project", routes: [ofProject, ofBoard] }],
  ["project_repositories", { noun: "project_repository", routes: [ofBoard] }],
  ["workflow_templates", { noun: "workflow_template", routes: [ofBoard] }],
  ["actors", { noun: "actor", routes: [ofBoard] }],
  ["workstations", { noun: "workstation", routes: [ofWorkstation, ofAttachedProjects] }],
  ["project_workstations", { noun: "project_workstation", routes: [ofWorkstation, ofProject] }],
  ["agents", { noun: "agent", routes: [ofWorkstation] }],
  ["workstation_repositories", { noun: "workstation_repository", routes: [ofWorkstation] }],
  ["git_worktrees", { noun: "git_worktree", routes: [ofWorkstation] }],
]);

/** What is to be published of a change; null where it concerns no channel, or nothing of it is for anybody's eyes. */
export function publicationOf(change: Change): FeedPublication | null {
  if (change.operation === "reordered") return reordering(change);
  const entity = FEED.get(change.entity);
  if (!entity) return null;
  const channels = entity.routes.flatMap((route) => route(change).filter((channel) => channel !== null));
  if (channels.length === 0) return null;
  // Rows of some tables are hidden, not removed: to everybody else that is the same.
  const verb = change.after?.deleted_at != null ? "deleted" : change.operation;
  const changed = verb === "deleted" ? {} : told(change.after ?? {});
  const omitted = verb === "deleted" ? [] : fieldsOf(change.omitted);
  return {
    channels: [...new Set(channels)],
    type: `${entity.noun}:${verb}`,
    payload: {
      id: change.rowId,
      organizationId: change.organizationId,
      projectId: change.projectId,
      changed,
      omitted,
    },
    from: publisherOf(change.principal),
  };
}

/** Where many tasks were numbered anew their numbers are too large to be told: the list has to be read again. */
function reordering({ projectId, after, principal }: Change): FeedPublication | null {
  if (projectId === null) return null;
  const payload = { tasks: null, ...after } as unknown as TasksReordered;
  return { channels: [projectTasksChannel(projectId)], type: "task:reordered", payload, from: publisherOf(principal) };
}

/** Who made a change, as publications tell it; null for whoever is none of the hub's. */
export function publisherOf(principal: string): Publication["from"] {
  const [kind, id = ""] = principal.split(/:(.*)/s);
  switch (kind) {
    case "user":
      return { userId: id };
    case "workstation":
      return { workstationId: id };
    case "service":
      return { service: id };
    default:
      return null;
  }
}
