import { type WorkstationTransition, workstationChannel } from "@monster-realtime/client";
import { useRpc } from "@monster-realtime/client/react";
import { useEffect, useRef } from "react";
import { hashOf } from "../shell/route.ts";
import { sentenceOf } from "../shell/sentences.ts";
import { moment } from "../shell/times.ts";
import type { BoardRow } from "./rows.ts";

const SHOWN = 8;

/** The reasons of a leave, with the likely cause. */
const REASONS: Record<string, string> = {
  left: "its program disconnected on purpose",
  timeout: "its connection was lost and not restored: the machine slept or lost its network",
  node_lost: "its hub node was lost, and it did not reconnect",
  revoked: "its rights were revoked",
};

/** A workstation's presence transitions from the audit trail. */
export function Details({ row }: { row: BoardRow }) {
  const { data, error, refresh } = useRpc("workstations.transitions", { id: row.id, limit: SHOWN });
  const status = useRef(row.status);
  useEffect(() => {
    if (status.current === row.status) return;
    status.current = row.status;
    refresh();
  }, [row.status, refresh]);
  return (
    <div className="details">
      <p>
        <span className="mono">{row.id}</span>
        {row.hostname && ` · ${row.hostname}`}
        {row.version && ` · agent ${row.version}`} ·{" "}
        <a href={hashOf({ view: "inspect", argument: workstationChannel(row.id) })}>inspect its channel</a>
      </p>
      {error && <p role="alert">{sentenceOf(error)}</p>}
      {data &&
        (data.items.length === 0 ? <p className="hint">It was never online.</p> : <Transitions items={data.items} />)}
    </div>
  );
}

function Transitions({ items }: { items: readonly WorkstationTransition[] }) {
  return (
    <ol className="transitions" aria-label="Presence transitions, newest first">
      {items.map(({ at, kind, reason, revision, nodeId }) => (
        <li key={revision}>
          <time dateTime={at}>{moment(Date.parse(at))}</time>{" "}
          <b data-status={kind}>{kind === "suspect" ? "unreachable" : kind}</b>
          {reason !== null && kind === "offline" && `: ${REASONS[reason] ?? reason}`}
          {nodeId !== null && kind !== "offline" && <span className="hint"> on {nodeId}</span>}
        </li>
      ))}
    </ol>
  );
}
