import { projectTasksChannel, type TasksReordered } from "@monster-realtime/client/protocol";
import type { Announced } from "./context.ts";
import type { BoardList, Renumbered } from "./sql/task-order.ts";

/** More would make a publication longer than messages may be. */
const MAX_TOLD = 250;

/** What those who watch a board are told where tasks were numbered anew: one publication, or none for no task. */
export function reordered({ projectId, list }: BoardList, renumbered: readonly Renumbered[]): Announced[] {
  if (renumbered.length === 0) return [];
  const payload: TasksReordered = {
    projectId,
    list,
    tasks: renumbered.length > MAX_TOLD ? null : [...renumbered],
  };
  return [{ channel: projectTasksChannel(projectId), type: "task:reordered", payload }];
}
