import type { Client } from "@monster-realtime/client";
import { MonsterRealtimeProvider, useConnection } from "@monster-realtime/client/react";
import { useEffect, useRef } from "react";
import { usePrincipal, usePrincipalName } from "./principal.tsx";
import { sentenceOf } from "./sentences.ts";

interface Answers {
  onKeep(): void;
  onSwitch(): void;
}

/**
 * Asks before an address with a token replaces the session, because another person may have made the address. The hub
 * names the new token's principal. `current` and `offered` are the clients of both sessions.
 */
export function SessionSwap({ current, offered, ...answers }: { current: Client; offered: Client } & Answers) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => dialog.current?.showModal(), []);
  return (
    <dialog ref={dialog} id="session-swap" aria-labelledby="session-swap-title" onCancel={answers.onKeep}>
      <h2 id="session-swap-title">Switch to another session?</h2>
      <p>
        You are signed in as{" "}
        <MonsterRealtimeProvider client={current}>
          <Who id="session-now" />
        </MonsterRealtimeProvider>
        .
      </p>
      <MonsterRealtimeProvider client={offered}>
        <Offer {...answers} />
      </MonsterRealtimeProvider>
    </dialog>
  );
}

function Offer({ onKeep, onSwitch }: Answers) {
  const { state } = useConnection();
  const isKnown = usePrincipal() !== null;
  const error = state.name === "closed" || state.name === "waiting" ? state.error : null;
  return (
    <>
      <p>
        The address that you opened signs in as <Who id="session-offered" />. Switch only if you trust its sender.
      </p>
      {error && <p role="alert">{sentenceOf(error)}</p>}
      <p className="actions">
        <button type="button" onClick={onKeep}>
          Stay signed in
        </button>{" "}
        <button type="button" className="plain" disabled={!isKnown || state.name === "closed"} onClick={onSwitch}>
          Switch the session
        </button>
      </p>
    </>
  );
}

function Who({ id }: { id: string }) {
  const principal = usePrincipal();
  const name = usePrincipalName();
  if (!principal) return <span id={id}>…</span>;
  return (
    <span id={id}>
      {principal.kind} <strong>{name}</strong>
      {name !== principal.id && ` (${principal.id})`}
    </span>
  );
}
