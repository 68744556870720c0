import { useClient, useRpc } from "@monster-realtime/client/react";
import { useEffect, useState } from "react";
import { usePrincipal } from "./principal.tsx";
import { sentenceOf } from "./sentences.ts";

/** An organization may renew an invitation again and again: what is asked for then costs the person's own rate. */
const SETTLE_MS = 2_000;
/** Few: what somebody is invited to must not fill the page. */
const AT_ONCE = 5;

/** Calls `changed` when the person was invited somewhere, or an invitation was answered or withdrawn: once in two seconds. */
export function useInvitationsChanged(changed: () => void): void {
  const client = useClient();
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const settle = () => {
      timer = undefined;
      changed();
    };
    const stop = client.on("invitations", () => {
      timer ??= setTimeout(settle, SETTLE_MS);
    });
    return () => {
      stop();
      clearTimeout(timer);
    };
  }, [client, changed]);
}

/** What the person is invited to, to be accepted or declined here. */
export function Invitations() {
  const client = useClient();
  const principal = usePrincipal();
  const [cursor, setCursor] = useState<string | null>(null);
  const params = { limit: AT_ONCE, ...(cursor === null ? {} : { cursor }) };
  const { data, refresh } = useRpc("organizations.invitations", principal?.kind === "user" ? params : null);
  const [problem, setProblem] = useState<string | null>(null);
  useInvitationsChanged(refresh);
  const answer = (method: "organizations.acceptInvite" | "organizations.declineInvite", organizationId: string) => {
    setProblem(null);
    client.rpc(method, { organizationId }).then(refresh, (error: unknown) => setProblem(sentenceOf(error)));
  };
  return (
    <>
      {data?.items.map(({ membershipId, organizationId, organizationName, role }) => (
        <section key={membershipId} className="banner invitation" aria-label={`Invitation to ${organizationName}`}>
          <span role="status">
            You are invited to <strong>{organizationName}</strong> as {role}.
          </span>{" "}
          <button type="button" onClick={() => answer("organizations.acceptInvite", organizationId)}>
            Accept
          </button>{" "}
          <button type="button" className="plain" onClick={() => answer("organizations.declineInvite", organizationId)}>
            Decline
          </button>
        </section>
      ))}
      {cursor !== null && (
        <button type="button" className="plain" onClick={() => setCursor(null)}>
          Newest invitations
        </button>
      )}
      {data && data.nextCursor !== null && (
        <button type="button" className="plain" onClick={() => setCursor(data.nextCursor)}>
          Older invitations
        </button>
      )}
      {problem !== null && (
        <p className="banner" role="alert">
          {problem}
        </p>
      )}
    </>
  );
}
