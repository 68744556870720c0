import type { Role } from "@monster-realtime/client/protocol";
import type { WorkstationFacts } from "../auth/facts.ts";
import type { Principal } from "../auth/principal.ts";

/** Whose rows a caller sees at all; it becomes part of every statement. */
export type Scope =
  | { kind: "all" }
  | { kind: "organizations"; organizationIds: string[] }
  | { kind: "workstation"; workstationId: string; projectIds: string[] };

/** A caller's scope and roles. */
export interface Standing {
  scope: Scope;
  /** The caller's role there; services have every right of an owner. */
  roleIn(organizationId: string): Role | null;
}

/** Where standings come from: the authorizer. */
export interface StandingSource {
  roles(principal: Principal): Promise<ReadonlyMap<string, Role>>;
  workstation(id: string): Promise<WorkstationFacts | null>;
}

export async function standingOf(source: StandingSource, principal: Principal): Promise<Standing> {
  switch (principal.kind) {
    case "service": {
      const { organizations } = principal;
      if (organizations === "*") return { scope: { kind: "all" }, roleIn: () => "owner" };
      const scope = { kind: "organizations" as const, organizationIds: [...organizations] };
      return { scope, roleIn: (id) => (organizations.includes(id) ? "owner" : null) };
    }
    case "user": {
      const roles = await source.roles(principal);
      return {
        scope: { kind: "organizations", organizationIds: [...roles.keys()] },
        roleIn: (id) => roles.get(id) ?? null,
      };
    }
    case "workstation": {
      const facts = await source.workstation(principal.id);
      const projectIds = [...(facts?.projectIds ?? [])];
      return { scope: { kind: "workstation", workstationId: principal.id, projectIds }, roleIn: () => null };
    }
  }
}

/** The columns by which the rows of an entity belong to somebody; null: a workstation sees none of them. */
export interface ScopeColumns {
  organization: string;
  project: string | null;
  workstation: string | null;
}

/** The SQL condition that keeps a statement to the scope, and its values, from parameter number `next` on. */
export function scopeCondition(scope: Scope, columns: ScopeColumns, next: number): { text: string; values: unknown[] } {
  switch (scope.kind) {
    case "all":
      return { text: "true", values: [] };
    case "organizations":
      return { text: `${columns.organization} = ANY($${next}::text[])`, values: [scope.organizationIds] };
    case "workstation": {
      if (columns.workstation) return { text: `${columns.workstation} = $${next}`, values: [scope.workstationId] };
      if (columns.project) return { text: `${columns.project} = ANY($${next}::text[])`, values: [scope.projectIds] };
      return { text: "false", values: [] };
    }
  }
}
