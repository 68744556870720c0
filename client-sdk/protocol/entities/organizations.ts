import type { Crud, Prefixed, Writable } from "./common.ts";

export type Role = "owner" | "admin" | "member";

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

export type OrganizationSet = Partial<
  Pick<
    Organization,
    "name" | "slug" | "domain" | "monsterAuthClientId" | "defaultWorkflowTemplateId" | "autoInviteToProjects"
  >
>;
export type OrganizationCreate = Writable<
  Organization,
  "name" | "slug",
  "domain" | "monsterAuthClientId" | "autoInviteToProjects"
>;

export type OrganizationMethods = Prefixed<
  "organizations",
  Crud<Organization, Organization, { slug?: string }, OrganizationCreate, OrganizationSet>
>;
