import type { Crud, Prefixed, Writable } from "./common.ts";

/** What a member may do in an organization: admins manage it, owners may also change and end it. */
export type Role = "owner" | "admin" | "member";

/** Whom projects, workstations and members belong to. Nothing is ever seen across two of them. */
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

/** What `organizations.update` may change. */
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
  /** Takes back a deletion, by an owner: everything is as it was. `conflict` once the organization is being removed. */
  "organizations.restore": { params: { id: string }; result: Organization };
};
