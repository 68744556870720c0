import type { MemberKey, Publication } from "@monster-realtime/client";
import { useRpc } from "@monster-realtime/client/react";
import { memo, useState } from "react";
import { sentenceOf } from "../shell/sentences.ts";
import { moment } from "../shell/times.ts";
import { Json } from "./json.tsx";

/** The publisher, in a short form. */
export function authorOf(from: MemberKey | { service: string } | null): string {
  if (from === null) return "hub";
  if ("service" in from) return from.service;
  if ("workstationId" in from) return from.workstationId;
  return from.userId;
}

interface PublicationLineProps {
  publication: Publication;
  channel: string;
  isOpen: boolean;
  onToggle(): void;
}

/** One publication: a line, and its details when open. */
export const PublicationLine = memo(function PublicationLine(props: PublicationLineProps) {
  const { publication, channel, isOpen, onToggle } = props;
  const { offset, type, at, from, ephemeral, payload } = publication;
  return (
    <article className="publication" data-type={type}>
      <button type="button" className="publication-line" aria-expanded={isOpen} onClick={onToggle}>
        <span className="offset">{ephemeral ? "–" : offset}</span>
        <time dateTime={new Date(at).toISOString()}>{new Date(at).toLocaleTimeString()}</time>
        <b>{type}</b>
        <span className="author">{authorOf(from)}</span>
        <span className="payload mono">{JSON.stringify(payload)}</span>
      </button>
      {isOpen && <PublicationDetails publication={publication} channel={channel} />}
    </article>
  );
});

function PublicationDetails({ publication, channel }: { publication: Publication; channel: string }) {
  const [isTraced, setTraced] = useState(false);
  const copy = () => void navigator.clipboard?.writeText(JSON.stringify(publication, null, 2));
  return (
    <div className="publication-details">
      <p>
        <span className="mono">{publication.id}</span> · {moment(publication.at)}
        {publication.ephemeral && " · ephemeral"}
      </p>
      <Json value={publication.payload} isOpen />
      <p className="actions">
        <button type="button" className="plain" onClick={copy}>
          Copy JSON
        </button>
        {!isTraced && (
          <button type="button" className="plain" onClick={() => setTraced(true)}>
            Who received it?
          </button>
        )}
      </p>
      {isTraced && <Trace id={publication.id} channel={channel} />}
    </div>
  );
}

/** The publication's publisher and deliveries, as far as the nodes remember them. */
function Trace({ id, channel }: { id: string; channel: string }) {
  const { data, error } = useRpc("publications.trace", { id, channel });
  if (error) return <p role="alert">{sentenceOf(error)}</p>;
  if (!data) return <p className="hint">Asking the nodes …</p>;
  const { publishedBy, publishedOn, deliveries, incomplete, truncated } = data;
  return (
    <div className="trace">
      <p>
        Published by {publishedBy ? `${publishedBy.kind} ${publishedBy.id}` : "an unknown publisher"}
        {publishedOn && ` on ${publishedOn}`}, delivered to {deliveries.length}
        {truncated && " or more"}
        {incomplete && "; some nodes did not answer"}.
      </p>
      <ul>
        {deliveries.map(({ connectionId, principal, client, how, at }) => (
          <li key={`${connectionId} ${how}`}>
            {principal.kind} {principal.id} <span className="hint">{client}</span> · {how}
            {at !== null && ` at ${new Date(at).toLocaleTimeString()}`}
          </li>
        ))}
      </ul>
    </div>
  );
}
