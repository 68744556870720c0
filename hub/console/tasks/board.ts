import type {
  ChangeLeftOut,
  EntityChange,
  Publication,
  Task,
  TaskListItem,
  TasksReordered,
} from "@monster-realtime/client";

export const COLUMNS = ["todo", "doing", "review", "done", "loop"] as const;
export type Column = (typeof COLUMNS)[number];

/** A project's tasks, updated by the publications of its board. */
export class Board {
  readonly #projectId: string;
  #tasks = new Map<string, TaskListItem>();

  constructor(projectId: string) {
    this.#projectId = projectId;
  }

  /** Replaces all tasks. */
  replace(tasks: readonly TaskListItem[]): void {
    this.#tasks = new Map(tasks.map((task) => [task.id, task]));
  }

  /** Returns false if the publication is not enough, so that the tasks must be loaded again. */
  apply({ type, payload }: Publication): boolean {
    switch (type) {
      case "task:created":
      case "task:updated":
        return this.#change(payload as EntityChange<Task>);
      case "task:deleted":
        this.#tasks.delete((payload as EntityChange).id);
        return true;
      case "task:reordered":
        return this.#reorder(payload as TasksReordered);
      case "change:left_out":
        return (payload as ChangeLeftOut).entity !== "task";
      default:
        return true;
    }
  }

  /** The tasks in the order of the board; the done ones newest first. */
  column(list: Column): TaskListItem[] {
    const tasks = [...this.#tasks.values()].filter((task) => task.list === list);
    return tasks.sort(list === "done" ? newestFirst : asOnTheBoard);
  }

  #change({ id, projectId, changed }: EntityChange<Task>): boolean {
    const known = this.#tasks.get(id);
    if (projectId !== this.#projectId) {
      // The task was moved to another project's board.
      this.#tasks.delete(id);
      return true;
    }
    // A created task has all fields. For any other unknown task most fields are missing.
    if (!known && changed.createdAt === undefined) return false;
    if (known && isOlder(changed, known)) return true;
    this.#tasks.set(id, { ...known, ...changed } as TaskListItem);
    return true;
  }

  #reorder({ tasks }: TasksReordered): boolean {
    for (const { id, ...place } of tasks ?? []) {
      const known = this.#tasks.get(id);
      if (known && !isOlder(place, known)) this.#tasks.set(id, { ...known, ...place });
    }
    return tasks !== null;
  }
}

/** A publication from before the load is already included in it. */
function isOlder({ updatedAt }: Partial<Pick<Task, "updatedAt">>, known: Pick<Task, "updatedAt">): boolean {
  return updatedAt !== undefined && updatedAt < known.updatedAt;
}

type Placed = Pick<Task, "priority" | "listOrder" | "createdAt" | "id">;

function asOnTheBoard(a: Placed, b: Placed): number {
  return (
    b.priority - a.priority ||
    a.listOrder - b.listOrder ||
    a.createdAt.localeCompare(b.createdAt) ||
    a.id.localeCompare(b.id)
  );
}

function newestFirst(a: TaskListItem, b: TaskListItem): number {
  return (b.completedAt ?? b.updatedAt).localeCompare(a.completedAt ?? a.updatedAt);
}
