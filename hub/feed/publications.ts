import {
  type ChangeLeftOut,
  type EntityChange,
  type Publication,
  projectTasksChannel,
  projectWorkstationsChannel,
  type TasksReordered,
  taskChannel,
  workstationChannel,
} from "@monster-realtime/client/protocol";
import { fieldOf, firstInvalidTimestamp, toPublicFields } from "../kernel/public-fields.ts";
import type { Change } from "./change.ts";

/** Columns that no publication contains: secrets, and columns for the hub alone. */
const HIDDEN: ReadonlySet<string> = new Set([
  "registration_token",
  "environment_vars",
  "presence_generation",
  "presence_revision",
  "deleted_at",
  "monster_auth_user_id",
]);

/** A change as subscribers receive it: one publication, on each of these channels. */
export interface FeedPublication {
  channels: readonly string[];
  type: string;
  payload: EntityChange | TasksReordered | ChangeLeftOut;
  /** The principal that made the change; null for SQL of other programs. */
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

/** Table → the noun of its rows in types, and the channels of its changes. Changes of other tables have no channel. */
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

/** The publication of a change; null if its table has no channel, or its row has none. */
export function publicationOf(change: Change): FeedPublication | null {
  if (change.operation === "reordered") return reordering(change);
  const entity = FEED.get(change.entity);
  const channels = channelsOf(change);
  if (!entity || channels.length === 0) return null;
  // A row that is marked as deleted is hidden: subscribers can't distinguish it from a removed row.
  const verb = change.after?.deleted_at != null ? "deleted" : change.operation;
  const changed = verb === "deleted" ? {} : changedFields(change.after ?? {});
  const omitted = verb === "deleted" ? [] : fieldsOf(change.omitted);
  return {
    channels,
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

/** The publication in place of a change that can't be published: subscribers read the row again. Without channels if the change has none. */
export function leftOut(change: Change): FeedPublication & { payload: ChangeLeftOut } {
  const { rowId: id, organizationId, projectId, operation } = change;
  const isBoard = operation === "reordered";
  const entity = isBoard ? "task" : (FEED.get(change.entity)?.noun ?? change.entity);
  const channels = isBoard && projectId !== null ? [projectTasksChannel(projectId)] : channelsOf(change);
  const payload = { id, organizationId, projectId, entity, operation };
  return { channels, type: "change:left_out", payload, from: publisherOf(change.principal) };
}

function channelsOf(change: Change): string[] {
  const routes = FEED.get(change.entity)?.routes ?? [];
  return [...new Set(routes.flatMap((route) => route(change).filter((channel) => channel !== null)))];
}

/** The numbers of many tasks are too large for a publication: then `tasks` is null, and subscribers read the list again. */
function reordering({ projectId, after, principal }: Change): FeedPublication | null {
  if (projectId === null) return null;
  const payload = { tasks: null, ...after } as unknown as TasksReordered;
  return { channels: [projectTasksChannel(projectId)], type: "task:reordered", payload, from: publisherOf(principal) };
}

/** The principal in the form of publications; null for a database role. */
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

/**
 * A row's columns as the fields of RPC answers: names in camelCase, timestamps ISO 8601 with milliseconds. Throws if a
 * timestamp has no such form, such as `infinity`.
 */
function changedFields(columns: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const column = firstInvalidTimestamp(columns);
  if (column !== null) throw new RangeError(`${fieldOf(column)} is not a valid timestamp: ${columns[column]}`);
  return toPublicFields(columns, HIDDEN);
}

/** The field names of omitted columns. */
function fieldsOf(columns: readonly string[]): string[] {
  return columns.filter((column) => !HIDDEN.has(column)).map(fieldOf);
}
