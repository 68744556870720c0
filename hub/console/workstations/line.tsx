import { memo } from "react";
import { hashOf } from "../shell/route.ts";
import { ago, moment } from "../shell/times.ts";
import { Details } from "./details.tsx";
import type { Group } from "./overview.ts";
import { type BoardRow, STATUS_NAMES, STATUSES } from "./rows.ts";

/** The columns of a workstation, in order; for screen readers. */
export const COLUMNS = ["Workstation", "Agents", "Running tasks", "Dev server", "Since", "More"] as const;

export function GroupLine({ group }: { group: Group }) {
  const counted = STATUSES.filter((status) => group.counts[status] > 0);
  return (
    <div role="cell" aria-colspan={COLUMNS.length} className="group">
      <h2>{group.name}</h2>
      <p className="counts">
        {counted.map((status) => `${group.counts[status]} ${STATUS_NAMES[status]}`).join(" · ") || "no workstations"}
        {" · "}
        <a href={hashOf({ view: "tasks", argument: group.id })}>tasks</a>
      </p>
    </div>
  );
}

interface WorkstationLineProps {
  row: BoardRow;
  now: number;
  isOpen: boolean;
  onToggle(id: string): void;
}

export const WorkstationLine = memo(function WorkstationLine({ row, now, isOpen, onToggle }: WorkstationLineProps) {
  const { id, name, hostname, status, agents, runningTasks, devServer, since, isLive } = row;
  return (
    <>
      <div className="workstation" data-status={status} data-workstation={id}>
        <div role="cell" className="name">
          <h3 title={hostname ?? name}>{name}</h3>
          <span className="status">{STATUS_NAMES[status]}</span>
        </div>
        <div
          role="cell"
          className="agents"
          title={agents.join(", ")}
          data-last-known={status === "offline" || undefined}
        >
          {agents.map((agent) => (
            <span key={agent} className="tag">
              {agent}
            </span>
          ))}
        </div>
        <div role="cell" className="tasks">
          {runningTasks > 0 && (runningTasks === 1 ? "1 task" : `${runningTasks} tasks`)}
        </div>
        <div role="cell" className="dev">
          {devServer &&
            (devServer.url ? (
              <a href={devServer.url} target="_blank" rel="noreferrer">
                dev :{devServer.port}
              </a>
            ) : (
              `dev :${devServer.port}`
            ))}
        </div>
        <div role="cell" className="since" title={since === null ? undefined : moment(since)}>
          {since === null ? "never seen" : isLive ? `for ${ago(since, now)}` : `${ago(since, now)} ago`}
        </div>
        <div role="cell" className="why">
          <button type="button" className="plain" aria-expanded={isOpen} onClick={() => onToggle(id)}>
            {status === "offline" || status === "suspect" ? "Why?" : "Details"}
            <span className="for-readers"> of {name}</span>
          </button>
        </div>
      </div>
      {isOpen && (
        <div role="cell" aria-colspan={COLUMNS.length}>
          <Details row={row} />
        </div>
      )}
    </>
  );
});
