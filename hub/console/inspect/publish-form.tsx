import type { Channel, PublishReply } from "@monster-realtime/client";
import { useClient } from "@monster-realtime/client/react";
import { type FormEvent, useState } from "react";
import { sentenceOf } from "../shell/sentences.ts";

/** What is wrong with a text that should be JSON, or null. */
function faultOf(text: string): string | null {
  try {
    JSON.parse(text);
    return null;
  } catch (error) {
    return error instanceof Error ? `The payload is not JSON: ${error.message}` : String(error);
  }
}

/** Publishes on the channel that is looked at. */
export function PublishForm({ channel }: { channel: Channel }) {
  const client = useClient();
  const [type, setType] = useState("note");
  const [payload, setPayload] = useState('{ "text": "hello" }');
  const [isEphemeral, setEphemeral] = useState(false);
  const [outcome, setOutcome] = useState<{ isFault: boolean; says: string } | null>(null);
  const fault = faultOf(payload);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (fault !== null) return;
    client.publish(channel, type, JSON.parse(payload), isEphemeral ? { ephemeral: true } : {}).then(
      ({ offset }: PublishReply) => setOutcome({ isFault: false, says: `Published at offset ${offset}.` }),
      (thrown: unknown) => setOutcome({ isFault: true, says: sentenceOf(thrown) }),
    );
  };
  return (
    <details className="publish">
      <summary>Publish</summary>
      <form onSubmit={submit}>
        <label>
          Type
          <input
            value={type}
            required
            pattern="[a-z][a-z0-9_.:\-]{0,63}"
            onChange={(event) => setType(event.target.value)}
          />
        </label>
        <label>
          Payload
          <textarea
            rows={3}
            className="mono"
            spellCheck={false}
            value={payload}
            onChange={(event) => setPayload(event.target.value)}
          />
        </label>
        <label className="check">
          <input type="checkbox" checked={isEphemeral} onChange={(event) => setEphemeral(event.target.checked)} />
          ephemeral: outside history and recovery
        </label>
        <button type="submit" disabled={fault !== null}>
          Publish
        </button>
        <p role="status">{fault ?? outcome?.says}</p>
      </form>
    </details>
  );
}
