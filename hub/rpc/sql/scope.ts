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
