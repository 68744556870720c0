import type { TaskListItem } from "@monster-realtime/client";
import { useClient } from "@monster-realtime/client/react";
import { useState } from "react";
import { sentenceOf } from "../shell/sentences.ts";
import { COLUMNS, type Column } from "./board.ts";

/** The place where a task is dropped: before another task, or at the end of a list. */
export interface Place {
  list: Column;
  before: TaskListItem | null;
}

export interface TaskActions {
  move(task: TaskListItem, place: Place): Promise<boolean>;
  setReady(task: TaskListItem): Promise<boolean>;
  assign(task: TaskListItem): Promise<boolean>;
  cancel(task: TaskListItem): Promise<boolean>;
  review(task: TaskListItem, decision: "approve" | "reject", feedback: string): Promise<boolean>;
  create(projectId: string, title: string, priority: number): Promise<boolean>;
  /** The hub's last refusal, in one sentence; null after a success. */
  problem: string | null;
  dismiss(): void;
}

/**
 * The users' actions on tasks. Each resolves with whether the hub accepted it; the board's channel then shows the
 * change.
 */
export function useTaskActions(): TaskActions {
  const client = useClient();
  const [problem, setProblem] = useState<string | null>(null);
  const tried = async (action: Promise<unknown>): Promise<boolean> => {
    try {
      await action;
      setProblem(null);
      return true;
    } catch (thrown) {
      setProblem(sentenceOf(thrown));
      return false;
    }
  };
  return {
    problem,
    dismiss: () => setProblem(null),
    move: ({ id }, { list, before }) => {
      const neighbour = before ? { beforeId: before.id, priority: before.priority } : {};
      return tried(client.rpc("tasks.move", { id, list, ...neighbour }));
    },
    setReady: ({ id, ready }) => tried(client.rpc("tasks.setReady", { id, ready: !ready })),
    assign: ({ id }) => tried(client.rpc("tasks.assign", { id })),
    cancel: ({ id }) => tried(client.rpc("tasks.cancel", { id })),
    review: ({ id }, decision, feedback) =>
      tried(client.rpc("tasks.review", { id, decision, ...(feedback === "" ? {} : { feedback }) })),
    create: (projectId, title, priority) => tried(client.rpc("tasks.create", { projectId, title, priority })),
  };
}

/** The neighbouring list, or null at the board's edge. */
export function besides(list: Column, step: -1 | 1): Column | null {
  return COLUMNS[COLUMNS.indexOf(list) + step] ?? null;
}
