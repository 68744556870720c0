import { defaultRangeExtractor, type Range, useWindowVirtualizer } from "@tanstack/react-virtual";
import { type KeyboardEvent, useCallback, useEffect, useLayoutEffect, useRef, useState } from "react";
import { useNow } from "../shell/times.ts";
import { COLUMNS, GroupLine, WorkstationLine } from "./line.tsx";
import type { Line } from "./overview.ts";

const LINE_PX = 56;
/** Lines rendered above and below the visible ones, so that scrolling shows no gaps. */
const OVERSCAN = 12;
/** The page's header stays visible and must not cover the focused line. */
const HEADER_PX = 72;

/**
 * Renders only the visible lines. One line has the focus, and keeps it when lines move. The arrow keys, Page Up and
 * Down, Home and End move the focus; Enter opens the line.
 */
export function WorkstationList({ lines }: { lines: readonly Line[] }) {
  const now = useNow();
  const root = useRef<HTMLDivElement>(null);
  const [open, toggle] = useOpen();
  const { active, setActive, focusLine } = useActiveLine(lines);
  const offsetTop = useOffsetTop(root);
  const virtualizer = useWindowVirtualizer({
    count: lines.length,
    estimateSize: () => LINE_PX,
    overscan: OVERSCAN,
    scrollMargin: offsetTop,
    scrollPaddingStart: HEADER_PX,
    getItemKey: (index) => lines[index]?.key ?? index,
    // Keep the focused line rendered, or it would lose the focus.
    rangeExtractor: useCallback((range: Range) => withActive(defaultRangeExtractor(range), active), [active]),
  });
  useEffect(() => focusLine(root.current));
  const onKeyDown = (event: KeyboardEvent) => {
    const to = targetOf(event.key, active, lines.length);
    const line = lines[active];
    const isOnLine = event.target instanceof Element && event.target.getAttribute("role") === "row";
    if (to !== null) {
      setActive(to, { focus: true });
      virtualizer.scrollToIndex(to, { align: "auto" });
    } else if (event.key === "Enter" && isOnLine && line?.kind === "row") toggle(line.row.id);
    else return;
    event.preventDefault();
  };
  return (
    <div
      ref={root}
      role="table"
      className="lines"
      aria-label="Workstations"
      aria-rowcount={lines.length + 1}
      aria-colcount={COLUMNS.length}
      onKeyDown={onKeyDown}
    >
      <Columns />
      <div role="rowgroup" style={{ height: virtualizer.getTotalSize(), position: "relative" }}>
        {virtualizer.getVirtualItems().map(({ index, key, start }) => {
          const line = lines[index];
          if (!line) return null;
          return (
            <div
              key={key}
              ref={virtualizer.measureElement}
              role="row"
              className="line"
              data-index={index}
              // Row 1 is the header.
              aria-rowindex={index + 2}
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

function Columns() {
  return (
    <div role="rowgroup" className="for-readers">
      {/* biome-ignore lint/a11y/useFocusableInteractive: it has no action. */}
      <div role="row" aria-rowindex={1}>
        {COLUMNS.map((name) => (
          // biome-ignore lint/a11y/useFocusableInteractive: it has no action.
          <span key={name} role="columnheader">
            {name}
          </span>
        ))}
      </div>
    </div>
  );
}

function useOpen(): [ReadonlySet<string>, (id: string) => void] {
  const [open, setOpen] = useState<ReadonlySet<string>>(new Set());
  const toggle = useCallback((id: string) => {
    setOpen((known) => {
      const next = new Set(known);
      if (!next.delete(id)) next.add(id);
      return next;
    });
  }, []);
  return [open, toggle];
}

/** The active line, identified by its key: its index changes when lines above it change. */
function useActiveLine(lines: readonly Line[]) {
  const [key, setKey] = useState<string | null>(null);
  const wanted = useRef<string | null>(null);
  const active = Math.max(
    0,
    lines.findIndex((line) => line.key === key),
  );
  const setActive = (index: number, { focus = false } = {}) => {
    const next = lines[index]?.key ?? null;
    setKey(next);
    if (focus) wanted.current = next;
  };
  /** Called after each render, because the newly active line may not have been rendered before. */
  const focusLine = (root: HTMLElement | null) => {
    if (wanted.current === null || wanted.current !== lines[active]?.key) return;
    const line = root?.querySelector<HTMLElement>(`[data-index="${active}"]`);
    if (!line) return;
    wanted.current = null;
    line.focus({ preventScroll: true });
  };
  return { active, setActive, focusLine };
}

/** The offset of the list from the top of the page, which changes with the elements above it. */
function useOffsetTop(root: { current: HTMLElement | null }): number {
  const [offsetTop, setOffsetTop] = useState(0);
  useLayoutEffect(() => setOffsetTop(root.current?.offsetTop ?? 0));
  return offsetTop;
}

function withActive(indexes: number[], active: number): number[] {
  return indexes.includes(active) ? indexes : [...indexes, active].sort((a, b) => a - b);
}

/** The index that a key moves to; null for other keys. */
function targetOf(key: string, from: number, count: number): number | null {
  const page = Math.max(1, Math.floor(innerHeight / LINE_PX) - 2);
  const targets: Record<string, number> = {
    ArrowDown: from + 1,
    ArrowUp: from - 1,
    PageDown: from + page,
    PageUp: from - page,
    Home: 0,
    End: count - 1,
  };
  const target = Object.hasOwn(targets, key) ? targets[key] : undefined;
  return target === undefined ? null : Math.min(count - 1, Math.max(0, target));
}
