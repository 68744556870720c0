import { type Channel, parseChannel } from "@monster-realtime/client";
import { useChannel, useClient } from "@monster-realtime/client/react";
import { useVirtualizer } from "@tanstack/react-virtual";
import { useCallback, useEffect, useMemo, useReducer, useRef, useState } from "react";
import { sentenceOf } from "../shell/sentences.ts";
import { PublicationLine } from "./publication.tsx";
import { PublishForm } from "./publish-form.tsx";
import { ChannelRoster } from "./roster.tsx";
import { EMPTY_TAIL, type Entry, filtered, oldestOffset, type TailFilter, tailAfter } from "./tail.ts";

const LINE_PX = 38;
const PAGE = 100;

/** The live view of one channel: history, new publications, and gaps. */
export function ChannelTail({ channel }: { channel: Channel }) {
  const client = useClient();
  const [tail, act] = useReducer(tailAfter, EMPTY_TAIL);
  const [filter, setFilter] = useState<TailFilter>({ type: "", text: "" });
  const [problem, setProblem] = useState<string | null>(null);
  const { state, error, lost } = useChannel(channel, {
    onPublication: (publication) => act({ name: "published", publication }),
    onRecovered: ({ publications }) => act({ name: "recovered", count: publications }),
    onLost: () => act({ name: "lost" }),
  });
  const before = oldestOffset(tail);
  const loadOlder = useCallback(
    (beforeOffset?: number) => {
      const query = { limit: PAGE, reverse: true, ...(beforeOffset === undefined ? {} : { before: beforeOffset }) };
      client.history(channel, query).then(
        ({ publications }) =>
          act({ name: "older", publications: [...publications].reverse(), hasOlder: publications.length === PAGE }),
        (thrown: unknown) => setProblem(sentenceOf(thrown)),
      );
    },
    [client, channel],
  );
  const isLive = state.name === "live";
  const isLoaded = useRef(false);
  // Load the history once, when the subscription is live.
  useEffect(() => {
    if (!isLive || isLoaded.current) return;
    isLoaded.current = true;
    loadOlder();
  }, [isLive, loadOlder]);
  const entries = useMemo(() => filtered(tail.entries, filter), [tail.entries, filter]);
  const refusal = error ?? (state.name === "ended" ? state.error : null);
  const isPaused = tail.held !== null;
  return (
    <section className="tail" aria-label={channel}>
      {(refusal || problem) && (
        <p id="problem" role="alert">
          {refusal ? sentenceOf(refusal) : problem}
        </p>
      )}
      <div className="tail-bar">
        <p role="status" data-state={state.name}>
          {isLive ? "live" : state.name === "pending" ? "waiting …" : "ended"}
          {lost > 0 && ` · ${lost} gaps`}
        </p>
        <input
          aria-label="Types, as a glob"
          placeholder="type: task:*"
          value={filter.type}
          onChange={(event) => setFilter({ ...filter, type: event.target.value })}
        />
        <input
          type="search"
          aria-label="Text within"
          placeholder="text"
          value={filter.text}
          onChange={(event) => setFilter({ ...filter, text: event.target.value })}
        />
        <button
          type="button"
          className="plain"
          aria-pressed={isPaused}
          onClick={() => act({ name: isPaused ? "resume" : "pause" })}
        >
          {isPaused ? `Resume (${tail.held?.length ?? 0} new)` : "Pause"}
        </button>
        <button type="button" className="plain" onClick={() => act({ name: "clear" })}>
          Clear
        </button>
      </div>
      <PublishForm channel={channel} />
      {parseChannel(channel)?.kind !== "projectTasks" && <ChannelRoster channel={channel} />}
      <TailList entries={entries} channel={channel} />
      {tail.entries.length === 0 && isLive && <p className="empty">No publications yet.</p>}
      {tail.hasOlder && before !== undefined && before > 1 && (
        <button type="button" className="plain older" onClick={() => loadOlder(before)}>
          Load older
        </button>
      )}
    </section>
  );
}

function TailList({ entries, channel }: { entries: readonly Entry[]; channel: string }) {
  const root = useRef<HTMLDivElement>(null);
  const [open, setOpen] = useState<ReadonlySet<string>>(new Set());
  const virtualizer = useVirtualizer({
    count: entries.length,
    getScrollElement: () => root.current,
    estimateSize: () => LINE_PX,
    getItemKey: (index) => entries[index]?.key ?? index,
    overscan: 15,
  });
  const toggle = (key: string) => {
    const next = new Set(open);
    if (!next.delete(key)) next.add(key);
    setOpen(next);
  };
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls must be reached by the keyboard.
    <div ref={root} className="tail-list" role="feed" aria-label="Publications, the newest first" tabIndex={0}>
      <div style={{ height: virtualizer.getTotalSize(), position: "relative" }}>
        {virtualizer.getVirtualItems().map(({ index, key, start }) => {
          const entry = entries[index];
          if (!entry) return null;
          return (
            <div
              key={key}
              ref={virtualizer.measureElement}
              data-index={index}
              className="tail-entry"
              style={{ transform: `translateY(${start}px)` }}
            >
              <TailEntry
                entry={entry}
                channel={channel}
                isOpen={open.has(entry.key)}
                onToggle={() => toggle(entry.key)}
              />
            </div>
          );
        })}
      </div>
    </div>
  );
}

interface TailEntryProps {
  entry: Entry;
  channel: string;
  isOpen: boolean;
  onToggle(): void;
}

function TailEntry({ entry, channel, isOpen, onToggle }: TailEntryProps) {
  switch (entry.kind) {
    case "publication":
      return <PublicationLine publication={entry.publication} channel={channel} isOpen={isOpen} onToggle={onToggle} />;
    case "recovered":
      return <p className="gap">the connection was lost: {entry.count} publications recovered, none are missing</p>;
    case "lost":
      return <p className="gap lost">publications are missing here: the hub could not recover them</p>;
  }
}
