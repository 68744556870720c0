import { defaultRangeExtractor, type Range, useWindowVirtualizer } from "@tanstack/react-virtual";
import { type KeyboardEvent, useCallback, useEffect, useLayoutEffect, useRef, useState } from "react";
import { useNow } from "../shell/times.ts";
import { COLUMNS, GroupLine, WorkstationLine } from "./line.tsx";
import type { Line } from "./overview.ts";

const LINE_PX = 56;
/** Above and below what is seen, so that scrolling shows no holes. */
const OVERSCAN = 12;
/** The header of the page stays in sight, and must not cover the line that the keys went to. */
const HEADER_PX = 72;

/**
 * The lines that are in sight, of however many. One of them has the focus, wherever it moves to meanwhile; the arrow keys,
 * Page Up and Down, Home and End move it, Enter opens it.
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
    // Out of sight the line that has the focus would lose it.
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
              // The first one is that of the columns.
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
      {/* biome-ignore lint/a11y/useFocusableInteractive: there is nothing to do with it. */}
      <div role="row" aria-rowindex={1}>
        {COLUMNS.map((name) => (
          // biome-ignore lint/a11y/useFocusableInteractive: there is nothing to do with it.
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

/** The line that the keys are at, by its key: its place changes with the status of whatever is above it. */
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
  /** After each render: the line that the keys went to is there only now. */
  const focusLine = (root: HTMLElement | null) => {
    if (wanted.current === null || wanted.current !== lines[active]?.key) return;
    const line = root?.querySelector<HTMLElement>(`[data-index="${active}"]`);
    if (!line) return;
    wanted.current = null;
    line.focus({ preventScroll: true });
  };
  return { active, setActive, focusLine };
}

/** How far down the page the list begins: what is above it comes and goes. */
function useOffsetTop(root: { current: HTMLElement | null }): number {
  const [offsetTop, setOffsetTop] = useState(0);
  useLayoutEffect(() => setOffsetTop(root.current?.offsetTop ?? 0));
  return offsetTop;
}

function withActive(indexes: number[], active: number): number[] {
  return indexes.includes(active) ? indexes : [...indexes, active].sort((a, b) => a - b);
}

/** Where a key leads to; null for keys that lead nowhere. */
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
