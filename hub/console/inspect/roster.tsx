import type { Channel } from "@monster-realtime/client";
import { usePresence } from "@monster-realtime/client/react";
import { ago, useNow } from "../shell/times.ts";
import { Json } from "./json.tsx";

/** The members present on the channel. */
export function ChannelRoster({ channel }: { channel: Channel }) {
  const { members, synced } = usePresence(channel);
  const now = useNow();
  return (
    <details className="roster">
      <summary>
        Present <b>{members.length}</b> {!synced && <span className="hint">not current</span>}
      </summary>
      <ul>
        {members.map(({ key, state, connections, joinedAt, meta }) => (
          <li key={key}>
            <b>{key}</b>{" "}
            <span className="hint">
              {state === "suspect"
                ? "unreachable"
                : `${connections} ${connections === 1 ? "connection" : "connections"}`}
              , for {ago(joinedAt, now)}
            </span>
            <Json value={meta} />
          </li>
        ))}
      </ul>
    </details>
  );
}
