import { RealtimeError, type RefusedChange } from "@monster-realtime/client";
import { useClient, useRpc } from "@monster-realtime/client/react";
import { useEffect, useState } from "react";
import { useOrganization } from "./organization.tsx";
import { sentenceOf } from "./sentences.ts";
import { moment } from "./times.ts";

const INTERVAL_MS = 30_000;
/** A change that is refused again is listed again shortly after it was published. */
const RECHECK_MS = 2_000;
const LIMIT = 20;

const CAUSES: Record<string, string> = {
  conflict: "its publication id was used before",
  payload_too_large: "it is too large",
  internal: "the row cannot be shown",
};

/** Lists the organization's changes that could not be published, for admins and services. Others get an empty list. */
export function RefusedChanges() {
  const client = useClient();
  const { organization } = useOrganization();
  const { data, refresh } = useRpc("feed.refused", { organizationId: organization.id, limit: LIMIT });
  const [isBusy, setBusy] = useState(false);
  const [problem, setProblem] = useState<string | null>(null);
  const [published, setPublished] = useState(0);
  useEffect(() => {
    const timer = setInterval(refresh, INTERVAL_MS);
    return () => clearInterval(timer);
  }, [refresh]);
  useEffect(() => {
    if (published === 0) return;
    const timer = setTimeout(refresh, RECHECK_MS);
    return () => clearTimeout(timer);
  }, [published, refresh]);
  const publish = async (changes: readonly RefusedChange[]) => {
    setBusy(true);
    setProblem(null);
    try {
      for (const { id } of changes) await client.rpc("feed.republish", { id }).catch(unlessPublished);
    } catch (error) {
      setProblem(sentenceOf(error));
    }
    setBusy(false);
    setPublished((count) => count + 1);
    refresh();
  };
  if (!data || data.items.length === 0) return null;
  const { items, nextCursor } = data;
  return (
    <details className="banner refused-changes">
      <summary>
        <span role="status">{summaryOf(items.length, nextCursor !== null)}</span>
      </summary>
      <p className="hint">
        Channels received a `change:left_out` notice instead of these changes. Correct the rows, and publish the changes
        again with the rows' current contents.
      </p>
      <table>
        <thead>
          <tr>
            <th>Refused</th>
            <th>Change</th>
            <th>Row</th>
            <th>Cause</th>
            <th />
          </tr>
        </thead>
        <tbody>
          {items.map((change) => (
            <tr key={change.id}>
              <td>{moment(Date.parse(change.refusedAt))}</td>
              <td>
                {change.entity} {change.operation}
              </td>
              <td className="mono">{change.rowId}</td>
              <td title={change.reason ?? undefined}>{change.reason ?? CAUSES[change.code] ?? change.code}</td>
              <td>
                <button type="button" className="plain" disabled={isBusy} onClick={() => void publish([change])}>
                  Publish again
                </button>
              </td>
            </tr>
          ))}
        </tbody>
      </table>
      {items.length > 1 && (
        <button type="button" disabled={isBusy} onClick={() => void publish(items)}>
          Publish all {items.length} again
        </button>
      )}
      {problem !== null && <p role="alert">{problem}</p>}
    </details>
  );
}

/** Ignores `not_found`: another admin may have published the change already. */
function unlessPublished(error: unknown): void {
  if (!(error instanceof RealtimeError) || error.code !== "not_found") throw error;
}

function summaryOf(count: number, isMore: boolean): string {
  if (isMore) return `More than ${count} changes could not be published.`;
  return count === 1 ? "1 change could not be published." : `${count} changes could not be published.`;
}
