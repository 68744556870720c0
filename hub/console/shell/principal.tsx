import type { User, Welcome, Workstation } from "@monster-realtime/client";
import { useConnection, useRpc } from "@monster-realtime/client/react";
import { useState } from "react";

type Principal = Welcome["principal"];
const METHODS = { user: "users.get", workstation: "workstations.get" } as const;

/** The token's principal; null before the first connection. It stays when the connection is lost. */
export function usePrincipal(): Principal | null {
  const { welcome } = useConnection();
  const [principal, setPrincipal] = useState(welcome?.principal ?? null);
  if (welcome && welcome.principal.id !== principal?.id) setPrincipal(welcome.principal);
  return welcome?.principal ?? principal;
}

/** The principal's name or address, or its id if unknown; null before the first connection. */
export function usePrincipalName(): string | null {
  const principal = usePrincipal();
  const isKnown = principal !== null && principal.kind !== "service";
  const method = METHODS[principal?.kind === "workstation" ? "workstation" : "user"];
  const { data } = useRpc(method, isKnown ? { id: principal.id } : null);
  if (!principal) return null;
  return data ? nameOf(data) : principal.id;
}

/** The name of the signed-in principal. */
export function PrincipalName() {
  const principal = usePrincipal();
  const name = usePrincipalName();
  if (!principal) return null;
  return (
    <span className="principal" title={`${principal.kind} ${principal.id}`}>
      <span className="for-readers">Signed in as </span>
      {name}
    </span>
  );
}

function nameOf(row: User | Workstation): string {
  return "email" in row ? (row.displayName ?? row.name ?? row.email) : row.name;
}
