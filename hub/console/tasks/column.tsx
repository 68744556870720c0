import type { TaskListItem } from "@monster-realtime/client";
import { useVirtualizer } from "@tanstack/react-virtual";
import { type DragEvent, useRef } from "react";
import type { Place } from "./actions.ts";
import type { Column } from "./board.ts";
import { DRAGGED, TaskCard, type TaskCardProps } from "./task-card.tsx";

const CARD_PX = 84;

interface ColumnProps {
  list: Column;
  tasks: readonly TaskListItem[];
  mayWrite: boolean;
  agentOf(task: TaskListItem): string | null;
  onOpen: TaskCardProps["onOpen"];
  onMove(task: TaskListItem, place: Place): Promise<boolean>;
  onDropped(taskId: string, place: Place): void;
}

/** One list of the board. Only the visible tasks are rendered. */
export function BoardColumn({ list, tasks, mayWrite, agentOf, onOpen, onMove, onDropped }: ColumnProps) {
  const root = useRef<HTMLDivElement>(null);
  const virtualizer = useVirtualizer({
    count: tasks.length,
    getScrollElement: () => root.current,
    estimateSize: () => CARD_PX,
    getItemKey: (index) => tasks[index]?.id ?? index,
    overscan: 6,
  });
  const shift = (index: number) => (task: TaskListItem, step: -1 | 1) => {
    // Up: before the previous task. Down: before the task after the next one, or at the end.
    const before = tasks[step === -1 ? index - 1 : index + 2] ?? null;
    const stays = step === -1 ? index === 0 : index === tasks.length - 1;
    return stays ? Promise.resolve(false) : onMove(task, { list, before });
  };
  const dropped = (event: DragEvent) => {
    const id = event.dataTransfer.getData(DRAGGED);
    if (id === "") return;
    event.preventDefault();
    onDropped(id, { list, before: null });
  };
  return (
    <section
      className="column"
      data-list={list}
      aria-label={`${list}, ${tasks.length} tasks`}
      onDragOver={(event) => mayWrite && event.preventDefault()}
      onDrop={dropped}
    >
      <h3>
        {list} <span className="count">{tasks.length}</span>
      </h3>
      <div ref={root} className="cards">
        {tasks.length === 0 && <p className="hint">no tasks</p>}
        <ul style={{ height: virtualizer.getTotalSize() }}>
          {virtualizer.getVirtualItems().map(({ index, key, start }) => {
            const task = tasks[index];
            if (!task) return null;
            return (
              <li
                key={key}
                ref={virtualizer.measureElement}
                data-index={index}
                aria-setsize={tasks.length}
                aria-posinset={index + 1}
                style={{ transform: `translateY(${start}px)` }}
              >
                <TaskCard
                  task={task}
                  agent={agentOf(task)}
                  mayWrite={mayWrite}
                  onOpen={onOpen}
                  onMove={(moved, to) => onMove(moved, { list: to, before: null })}
                  onShift={shift(index)}
                  onDrop={(id, before) => onDropped(id, { list, before })}
                />
              </li>
            );
          })}
        </ul>
      </div>
    </section>
  );
}
