import type { Organization } from "@monster-realtime/client";
import { useRpc } from "@monster-realtime/client/react";
import { createContext, type ReactNode, useContext, useState } from "react";

interface Chosen {
  organization: Organization;
  organizations: readonly Organization[];
  choose(id: string): void;
}

const ChosenContext = createContext<Chosen | null>(null);

/** The organization that all views show. */
export function useOrganization(): Chosen {
  const chosen = useContext(ChosenContext);
  if (!chosen) throw new Error("views are shown within an organization");
  return chosen;
}

/** Asks which organizations there are, and shows what is within once there is one. */
export function OrganizationProvider({
  fallback,
  children,
}: {
  fallback(problem: string): ReactNode;
  children: ReactNode;
}) {
  const [id, choose] = useState<string | null>(null);
  const { data, error } = useRpc("organizations.list", { limit: 200 });
  if (!data) return error && !error.temporary ? fallback(error.message) : fallback("");
  const organizations = data.items;
  const organization = organizations.find((one) => one.id === id) ?? organizations[0];
  if (!organization) return fallback("This token belongs to no organization yet.");
  return <ChosenContext value={{ organization, organizations, choose }}>{children}</ChosenContext>;
}
