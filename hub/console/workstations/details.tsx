import { type WorkstationTransition, workstationChannel } from "@monster-realtime/client";
import { useRpc } from "@monster-realtime/client/react";
import { useEffect, useRef } from "react";
import { hashOf } from "../shell/route.ts";
import { sentenceOf } from "../shell/sentences.ts";
import { moment } from "../shell/times.ts";
import type { BoardRow } from "./rows.ts";

const SHOWN = 8;

/** What presence says of why a workstation left, in words that say what to look for. */
const REASONS: Record<string, string> = {
  left: "its program said goodbye",
  timeout: "its connection was lost and did not come back: the machine slept, or its network went",
  node_lost: "the hub's node that it was connected to was lost, and it did not come back",
  revoked: "its rights were taken away",
};

/** Why a workstation is as it is: the audit trail's last word, and the changes before it. */
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
        <a href={hashOf({ view: "inspect", argument: workstationChannel(row.id) })}>watch its channel</a>
      </p>
      {error && <p role="alert">{sentenceOf(error)}</p>}
      {data &&
        (data.items.length === 0 ? <p className="hint">It was never here.</p> : <Transitions items={data.items} />)}
    </div>
  );
}

function Transitions({ items }: { items: readonly WorkstationTransition[] }) {
  return (
    <ol className="transitions" aria-label="What happened, the newest first">
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
