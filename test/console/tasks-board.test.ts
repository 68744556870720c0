import type { EntityChange, Publication, Task, TaskListItem, TasksReordered } from "@monster-realtime/client";
import { equal, is } from "uvu/assert";
import { Board } from "../../hub/console/tasks/board.ts";
import { suite } from "../support/suite.ts";

const test = suite("the page's task board");
const PROJECT = "proj_1";
const at = (second: number) => new Date(Date.UTC(2026, 0, 1, 0, 0, second)).toISOString();

function task(id: string, more: Partial<TaskListItem> = {}): TaskListItem {
  const times = { createdAt: at(0), updatedAt: at(0), completedAt: null };
  return {
    id,
    projectId: PROJECT,
    title: id,
    list: "todo",
    priority: 3,
    listOrder: 1,
    ...times,
    ...more,
  } as TaskListItem;
}

function publicationOf(type: string, payload: Partial<EntityChange<Task>> | TasksReordered): Publication {
  return { offset: 1, id: "x", type, payload: { projectId: PROJECT, ...payload }, at: 0, from: null };
}
const updated = (id: string, changed: Partial<Task>) => publicationOf("task:updated", { id, changed });

function boardOf(...tasks: TaskListItem[]): Board {
  const board = new Board(PROJECT);
  board.replace(tasks);
  return board;
}
const idsOf = (board: Board, list: "todo" | "doing" | "done") => board.column(list).map(({ id }) => id);

test("sorts a column in the order of the board, and done tasks newest first", () => {
  const board = boardOf(
    task("late", { listOrder: 2 }),
    task("early", { listOrder: 1.5 }),
    task("urgent", { priority: 5, listOrder: 9 }),
    task("old", { list: "done", completedAt: at(1) }),
    task("new", { list: "done", completedAt: at(2) }),
  );
  equal(idsOf(board, "todo"), ["urgent", "early", "late"]);
  equal(idsOf(board, "done"), ["new", "old"]);
});

test("applies created, changed, deleted and moved tasks", () => {
  const board = boardOf(task("a"), task("b"), task("c"));
  is(board.apply(publicationOf("task:created", { id: "d", changed: task("d", { listOrder: 2 }) })), true);
  is(board.apply(updated("a", { list: "doing", updatedAt: at(1) })), true);
  is(board.apply(publicationOf("task:deleted", { id: "b", changed: {} })), true);
  is(board.apply(publicationOf("task:updated", { id: "c", projectId: "proj_2", changed: { updatedAt: at(1) } })), true);
  equal([idsOf(board, "todo"), idsOf(board, "doing")], [["d"], ["a"]]);
});

test("ignores changes committed before the tasks were loaded", () => {
  const board = boardOf(task("a", { list: "done", updatedAt: at(2) }));
  is(board.apply(updated("a", { list: "doing", updatedAt: at(1) })), true);
  equal(idsOf(board, "done"), ["a"]);
});

test("applies renumbered tasks, and requests a reload if they are missing", () => {
  const board = boardOf(task("a", { listOrder: 1 }), task("b", { listOrder: 2 }));
  const place = { id: "a", listOrder: 3, updatedAt: at(1) };
  is(board.apply(publicationOf("task:reordered", { projectId: PROJECT, list: "todo", tasks: [place] })), true);
  equal(idsOf(board, "todo"), ["b", "a"]);
  is(board.apply(publicationOf("task:reordered", { projectId: PROJECT, list: "todo", tasks: null })), false);
  is(board.apply(updated("unknown", { list: "doing", updatedAt: at(1) })), false);
});

test.run();
