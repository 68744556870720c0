import type { Channel, PublishReply } from "@monster-realtime/client";
import { useClient } from "@monster-realtime/client/react";
import { type FormEvent, useState } from "react";
import { sentenceOf } from "../shell/sentences.ts";

/** Returns why a text is not JSON, or null. */
function faultOf(text: string): string | null {
  try {
    JSON.parse(text);
    return null;
  } catch (error) {
    return error instanceof Error ? `The payload is not JSON: ${error.message}` : String(error);
  }
}

/** Publishes on the shown channel. */
export function PublishForm({ channel }: { channel: Channel }) {
  const client = useClient();
  const [type, setType] = useState("note");
  const [payload, setPayload] = useState('{ "text": "hello" }');
  const [isEphemeral, setEphemeral] = useState(false);
  const [outcome, setOutcome] = useState<{ isFault: boolean; message: string } | null>(null);
  const fault = faultOf(payload);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (fault !== null) return;
    client.publish(channel, type, JSON.parse(payload), isEphemeral ? { ephemeral: true } : {}).then(
      ({ offset }: PublishReply) => setOutcome({ isFault: false, message: `Published at offset ${offset}.` }),
      (thrown: unknown) => setOutcome({ isFault: true, message: sentenceOf(thrown) }),
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
          ephemeral: not stored, not recovered
        </label>
        <button type="submit" disabled={fault !== null}>
          Publish
        </button>
        <p role="status">{fault ?? outcome?.message}</p>
      </form>
    </details>
  );
}
