import { useWindowVirtualizer } from "@tanstack/react-virtual";
import { type KeyboardEvent, useCallback, useEffect, useLayoutEffect, useRef, useState } from "react";
import { useNow } from "../shell/times.ts";
import { GroupLine, WorkstationLine } from "./line.tsx";
import type { Line } from "./rows.ts";

const LINE_PX = 56;
/** Above and below what is seen, so that scrolling shows no holes. */
const OVERSCAN = 12;

/**
 * The lines that are in sight, of however many. One of them has the focus; the arrow keys, Page Up and Down, Home and End
 * move it, Enter opens it.
 */
export function WorkstationList({ lines }: { lines: readonly Line[] }) {
  const now = useNow();
  const root = useRef<HTMLDivElement>(null);
  const [offsetTop, setOffsetTop] = useState(0);
  const [open, setOpen] = useState<ReadonlySet<string>>(new Set());
  const [active, setActive] = useState(0);
  const wanted = useRef<number | null>(null);
  useLayoutEffect(() => setOffsetTop(root.current?.offsetTop ?? 0), []);
  const virtualizer = useWindowVirtualizer({
    count: lines.length,
    estimateSize: () => LINE_PX,
    overscan: OVERSCAN,
    scrollMargin: offsetTop,
    getItemKey: (index) => lines[index]?.key ?? index,
  });
  const toggle = useCallback(
    (id: string) =>
      setOpen((known) => {
        const next = new Set(known);
        if (!next.delete(id)) next.add(id);
        return next;
      }),
    [],
  );
  const items = virtualizer.getVirtualItems();
  // After each render: the line that the keys went to is there only now.
  useEffect(() => {
    if (wanted.current === null) return;
    const line = root.current?.querySelector<HTMLElement>(`[data-index="${wanted.current}"]`);
    if (!line) return;
    wanted.current = null;
    line.focus({ preventScroll: true });
  });
  const move = (index: number) => {
    const to = Math.min(lines.length - 1, Math.max(0, index));
    wanted.current = to;
    setActive(to);
    virtualizer.scrollToIndex(to, { align: "auto" });
  };
  const onKeyDown = (event: KeyboardEvent) => {
    const page = Math.max(1, Math.floor(innerHeight / LINE_PX) - 2);
    const steps: Record<string, number> = {
      ArrowDown: 1,
      ArrowUp: -1,
      PageDown: page,
      PageUp: -page,
      Home: -Infinity,
      End: Infinity,
    };
    const step = steps[event.key];
    const line = lines[active];
    if (step !== undefined) move(active + step);
    else if (event.key === "Enter" && event.target === event.currentTarget.querySelector(`[data-index="${active}"]`)) {
      if (line?.kind === "row") toggle(line.row.id);
    } else return;
    event.preventDefault();
  };
  return (
    <div
      ref={root}
      role="table"
      className="lines"
      aria-label="Workstations"
      aria-rowcount={lines.length}
      onKeyDown={onKeyDown}
    >
      <div role="rowgroup" style={{ height: virtualizer.getTotalSize(), position: "relative" }}>
        {items.map(({ index, key, start }) => {
          const line = lines[index];
          if (!line) return null;
          return (
            <div
              key={key}
              ref={virtualizer.measureElement}
              role="row"
              className="line"
              data-index={index}
              aria-rowindex={index + 1}
              tabIndex={index === active ? 0 : -1}
              onFocus={() => setActive(index)}
              style={{ transform: `translateY(${start - offsetTop}px)` }}
            >
              {line.kind === "group" ? (
                <GroupLine group={line.group} />
              ) : (
                <WorkstationLine row={line.row} now={now} isOpen={open.has(line.row.id)} onToggle={toggle} />
              )}
            </div>
          );
        })}
      </div>
    </div>
  );
}
