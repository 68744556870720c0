import type { TaskListItem } from "@monster-realtime/client";
import { type DragEvent, type KeyboardEvent, memo, useState } from "react";
import { COLUMNS, type Column } from "./board.ts";

/** The data type of a dragged task. */
export const DRAGGED = "application/x-monster-task";

export interface TaskCardProps {
  task: TaskListItem;
  /** The name of the task's agent, or null. */
  agent: string | null;
  mayWrite: boolean;
  onOpen(task: TaskListItem): void;
  onMove(task: TaskListItem, list: Column): Promise<boolean>;
  /** Moves the task one place up or down in its list. */
  onShift(task: TaskListItem, step: -1 | 1): Promise<boolean>;
  /** Another task was dropped on this one. */
  onDrop(taskId: string, before: TaskListItem): void;
}

/** One task. With Alt, the arrow keys move it. */
export const TaskCard = memo(function TaskCard(props: TaskCardProps) {
  const { task, agent, mayWrite, onOpen, onMove, onShift, onDrop } = props;
  const [isMoving, setMoving] = useState(false);
  const moving = (move: Promise<boolean>) => {
    setMoving(true);
    void move.finally(() => setMoving(false));
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (!event.altKey || !mayWrite) return;
    const place = COLUMNS.indexOf(task.list as Column);
    const aside = { ArrowLeft: COLUMNS[place - 1], ArrowRight: COLUMNS[place + 1] }[event.key];
    const step = { ArrowUp: -1, ArrowDown: 1 }[event.key] as -1 | 1 | undefined;
    if (aside) moving(onMove(task, aside));
    else if (step) moving(onShift(task, step));
    else return;
    event.preventDefault();
  };
  const dropped = (event: DragEvent) => {
    const id = event.dataTransfer.getData(DRAGGED);
    if (id === "" || id === task.id) return;
    event.preventDefault();
    event.stopPropagation();
    onDrop(id, task);
  };
  return (
    <article
      className="task"
      data-task={task.id}
      data-list={task.list}
      data-session={task.agentSessionStatus}
      data-priority={task.priority}
      aria-busy={isMoving}
      draggable={mayWrite}
      onDragStart={(event) => event.dataTransfer.setData(DRAGGED, task.id)}
      onDragOver={(event) => mayWrite && event.preventDefault()}
      onDrop={dropped}
    >
      <button type="button" className="title" onClick={() => onOpen(task)} onKeyDown={onKeyDown}>
        {task.title}
      </button>
      <p className="facts">
        <span className="priority">P{task.priority}</span>
        {task.list !== "done" && <span>{task.mode}</span>}
        {task.ready && task.agentSessionStatus === "INACTIVE" && task.list !== "done" && (
          <span className="tag">ready</span>
        )}
        {task.dependencyCount > 0 && <span className="tag">waits for {task.dependencyCount}</span>}
      </p>
      {(agent ?? task.lastError) !== null && (
        <p className="note" title={task.lastError ?? undefined}>
          {agent ?? `given up: ${task.lastError}`}
        </p>
      )}
    </article>
  );
});
