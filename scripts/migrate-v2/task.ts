import type { Report } from "./report.ts";

/** A task of version 2. */
export interface V2Task {
  id: string;
  /** Its project's id in version 2; empty: none. */
  projectId: string;
  /** Its project's id in version 3; null: there is none. */
  parentId: string | null;
  title: string | null;
  description: string | null;
  priority: string | null;
  status: string | null;
  createdAt: Date | null;
}

/** Its new fields, without id and position. */
export interface MigratedTask {
  title: string;
  description: string | null;
  priority: number;
  list: "todo" | "doing" | "done";
}

const LISTS: ReadonlyMap<string, MigratedTask["list"]> = new Map([
  ["todo", "todo"],
  ["in_progress", "doing"],
  ["done", "done"],
]);
const DEFAULT_PRIORITY = 3;
const MAX_TITLE = 500;

/** Drops nothing: data that does not fit is moved to another field and reported. */
export function migratedTask(task: V2Task, report: Report): MigratedTask {
  return { ...textsOf(task, report), priority: priorityOf(task, report), list: listOf(task, report) };
}

/** Only the list of a status, for counting. */
export function listOfStatus(status: string | null): MigratedTask["list"] {
  return LISTS.get(status ?? "") ?? "todo";
}

function listOf({ id, status }: V2Task, report: Report): MigratedTask["list"] {
  if (!LISTS.has(status ?? "")) report.changed(`unknown status ${JSON.stringify(status)}, now in todo`, id);
  return listOfStatus(status);
}

function priorityOf({ id, priority }: V2Task, report: Report): number {
  const number = Number(priority ?? Number.NaN);
  if (priority === null || priority.trim() === "" || !Number.isFinite(number)) {
    report.changed(`no priority, now ${DEFAULT_PRIORITY}`, id);
    return DEFAULT_PRIORITY;
  }
  const clamped = Math.min(5, Math.max(1, Math.round(number)));
  if (clamped !== number) report.changed(`priority ${number}, now ${clamped}`, id);
  return clamped;
}

function textsOf({ id, title, description }: V2Task, report: Report): Pick<MigratedTask, "title" | "description"> {
  if (title === null || title.trim() === "") {
    report.changed('no title, now "Untitled"', id);
    return { title: "Untitled", description };
  }
  const characters = [...title];
  if (characters.length <= MAX_TITLE) return { title, description };
  report.changed(`a title longer than ${MAX_TITLE} characters, now whole in the description`, id);
  const whole = description === null ? title : `${title}\n\n${description}`;
  return { title: characters.slice(0, MAX_TITLE).join(""), description: whole };
}
