import type { Organization } from "@monster-realtime/client";
import { useRpc } from "@monster-realtime/client/react";
import { createContext, type ReactNode, useContext, useState } from "react";
import { useInvitationsChanged } from "./invitations.tsx";
import { usePrincipal } from "./principal.tsx";
import { sentenceOf } from "./sentences.ts";

type Named = Pick<Organization, "id" | "name">;

interface Chosen {
  organization: Named;
  organizations: readonly Named[];
  choose(id: string): void;
}

const ChosenContext = createContext<Chosen | null>(null);

/** The organization that all views show. */
export function useOrganization(): Chosen {
  const chosen = useContext(ChosenContext);
  if (!chosen) throw new Error("views are shown within an organization");
  return chosen;
}

/** Loads the user's organizations and renders the children once there is one. */
export function OrganizationProvider({
  fallback,
  children,
}: {
  fallback(problem: string): ReactNode;
  children: ReactNode;
}) {
  const [id, choose] = useState<string | null>(null);
  const principal = usePrincipal();
  // Workstations may not read organizations; they belong to one.
  const isWorkstation = principal?.kind === "workstation";
  const { data, error, refresh } = useRpc("organizations.list", principal && !isWorkstation ? { limit: 200 } : null);
  useInvitationsChanged(refresh);
  const organizations: readonly Named[] | undefined = isWorkstation
    ? principal.organizationIds.map((id) => ({ id, name: "" }))
    : data?.items;
  if (!organizations) return fallback(error ? sentenceOf(error) : "");
  const organization = organizations.find((one) => one.id === id) ?? organizations[0];
  if (!organization)
    return fallback("This token does not belong to an organization yet. Ask an admin for an invitation.");
  return <ChosenContext value={{ organization, organizations, choose }}>{children}</ChosenContext>;
}
