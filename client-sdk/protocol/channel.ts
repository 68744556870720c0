/** The channels of the hub and their grammar. Only ASCII is allowed; any other name is `unknown_channel`. */
export const CHANNEL_KINDS = ["workstation", "projectWorkstations", "task", "projectTasks"] as const;
/** The kind of a channel. */
export type ChannelKind = (typeof CHANNEL_KINDS)[number];

/** `workstation:{id}`: see `workstationChannel()`. */
export type WorkstationChannel = `workstation:${string}`;
/** `project:{id}:workstations`: see `projectWorkstationsChannel()`. */
export type ProjectWorkstationsChannel = `project:${string}:workstations`;
/** `task:{id}`: see `taskChannel()`. */
export type TaskChannel = `task:${string}`;
/** `project:{id}:tasks`: see `projectTasksChannel()`. */
export type ProjectTasksChannel = `project:${string}:tasks`;
/** The name of any channel of the hub. */
export type Channel = WorkstationChannel | ProjectWorkstationsChannel | TaskChannel | ProjectTasksChannel;

/** A parsed channel name: its kind and the id of the row it belongs to. */
export interface ParsedChannel {
  name: Channel;
  kind: ChannelKind;
  id: string;
}

const ULID = "[0-9A-HJKMNP-TV-Z]{26}";
const PATTERN = new RegExp(
  `^(?:workstation:(ws_${ULID})|task:(task_${ULID})|project:(proj_${ULID}):(workstations|tasks))$`,
);
/** The longest channel name: `project:proj_<ULID>:workstations`. */
export const MAX_CHANNEL_LENGTH = 52;

/** Parses a channel name. Returns `null` if it is invalid. */
export function parseChannel(name: unknown): ParsedChannel | null {
  if (typeof name !== "string" || name.length > MAX_CHANNEL_LENGTH) return null;
  const match = PATTERN.exec(name);
  if (!match) return null;
  const [, workstation, task, project, suffix] = match;
  if (workstation) return { name: name as Channel, kind: "workstation", id: workstation };
  if (task) return { name: name as Channel, kind: "task", id: task };
  const kind = suffix === "tasks" ? "projectTasks" : "projectWorkstations";
  return { name: name as Channel, kind, id: project ?? "" };
}

/** `workstation:{id}`: one workstation and the clients that communicate with it. */
export const workstationChannel = (id: string): WorkstationChannel => `workstation:${id}`;
/** `project:{id}:workstations`: every present workstation that is attached to the project. */
export const projectWorkstationsChannel = (id: string): ProjectWorkstationsChannel => `project:${id}:workstations`;
/** `task:{id}`: one task, its sessions and its subscribers. */
export const taskChannel = (id: string): TaskChannel => `task:${id}`;
/** `project:{id}:tasks`: the task board. */
export const projectTasksChannel = (id: string): ProjectTasksChannel => `project:${id}:tasks`;
