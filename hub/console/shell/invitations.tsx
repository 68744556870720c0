import { useClient, useRpc } from "@monster-realtime/client/react";
import { useEffect, useState } from "react";
import { usePrincipal } from "./principal.tsx";
import { sentenceOf } from "./sentences.ts";

/**
 * Delays the reload: an organization may renew invitations often, and each reload counts against the user's rate limit.
 */
const SETTLE_MS = 2_000;
/** The number of invitations per page, small enough not to fill the screen. */
const AT_ONCE = 5;

/** Calls `changed` when the user was invited, or an invitation was answered or withdrawn: at most every two seconds. */
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

/** The user's invitations, to accept or decline. */
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
