import type { EntityTable, Parameters } from "./table.ts";

/** The rows that a statement may see. `all` is only for services of all organizations. */
export type Scope =
  | { readonly kind: "all" }
  | OrganizationsScope
  | { readonly kind: "workstation"; readonly id: string };
export interface OrganizationsScope {
  readonly kind: "organizations";
  readonly ids: readonly string[];
  /** The calling user, and the clients that its token is limited to, as in `UserPrincipal`. */
  readonly user?: { readonly id: string; readonly clientIds: readonly string[] | null };
}

/** The condition that limits a statement to `scope`. Rows of other tenants look the same as missing rows. */
export function withinScope<Entity extends object>(
  table: EntityTable<Entity>,
  scope: Scope,
  parameters: Parameters,
): string {
  switch (scope.kind) {
    case "all":
      return table.visible;
    case "organizations":
      return `${table.visible} AND ${table.seenBy?.(scope, parameters) ?? ofOrganizations(scope, parameters)}`;
    case "workstation":
      return `${table.visible} AND ${table.readableBy(parameters.add(scope.id))}`;
  }
}

/** Rows of the organizations of this scope. */
function ofOrganizations({ ids }: OrganizationsScope, parameters: Parameters): string {
  return `organizations.id = ANY(${parameters.add([...ids])}::text[])`;
}
