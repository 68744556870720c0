import type { Crud, Prefixed, Writable } from "./common.ts";

/** A member's role in an organization: admins manage it, owners may also change and delete it. */
export type Role = "owner" | "admin" | "member";

/** The owner of projects, workstations and members. No data is visible across organizations. */
export interface Organization {
  id: string;
  name: string;
  slug: string;
  domain: string | null;
  monsterAuthClientId: string | null;
  defaultWorkflowTemplateId: string | null;
  autoInviteToProjects: boolean;
  createdAt: string;
  updatedAt: string;
}

/** The fields that `organizations.update` may change. */
export type OrganizationSet = Partial<
  Pick<
    Organization,
    "name" | "slug" | "domain" | "monsterAuthClientId" | "defaultWorkflowTemplateId" | "autoInviteToProjects"
  >
>;
/** A new organization. */
export type OrganizationCreate = Writable<
  Organization,
  "name" | "slug",
  "domain" | "monsterAuthClientId" | "autoInviteToProjects"
>;

export type OrganizationMethods = Prefixed<
  "organizations",
  Crud<Organization, Organization, { slug?: string }, OrganizationCreate, OrganizationSet>
> & {
  /** Reverts a deletion, by an owner: all data is restored. `conflict` once the removal has begun. */
  "organizations.restore": { params: { id: string }; result: Organization };
};
